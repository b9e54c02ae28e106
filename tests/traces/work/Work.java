// SPDX-License-Identifier: Apache-2.0
// What functions in Java do: an HTTP server, NIO, files, children, threads, the collector.
import com.sun.net.httpserver.HttpServer;
import java.io.RandomAccessFile;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.concurrent.*;

public class Work {
    static void files() throws Exception {
        Path dir = Files.createTempDirectory("w"), a = dir.resolve("a");
        Files.write(a, new byte[100000]);
        Files.copy(a, dir.resolve("b"));
        Files.move(dir.resolve("b"), dir.resolve("c"), StandardCopyOption.ATOMIC_MOVE);
        Files.createSymbolicLink(dir.resolve("l"), a);
        Files.setLastModifiedTime(a, java.nio.file.attribute.FileTime.fromMillis(1));
        Files.getFileStore(a).getUsableSpace();
        try (RandomAccessFile f = new RandomAccessFile(a.toFile(), "rw"); FileChannel c = f.getChannel()) {
            c.lock().release();
            c.force(true);
            c.truncate(50);
            c.map(FileChannel.MapMode.READ_WRITE, 0, 50).force();
            c.transferTo(0, 50, FileChannel.open(dir.resolve("d"), StandardOpenOption.CREATE,
                StandardOpenOption.WRITE));
        }
        WatchService watch = FileSystems.getDefault().newWatchService();
        dir.register(watch, StandardWatchEventKinds.ENTRY_CREATE);
        watch.close();
        try (var all = Files.walk(dir)) {
            all.sorted(java.util.Comparator.reverseOrder()).forEach(p -> p.toFile().delete());
        }
    }

    static void sockets() throws Exception {
        Selector selector = Selector.open();
        ServerSocketChannel server = ServerSocketChannel.open();
        server.bind(new InetSocketAddress("127.0.0.1", 0));
        server.configureBlocking(false);
        server.register(selector, SelectionKey.OP_ACCEPT);
        SocketChannel client = SocketChannel.open(server.getLocalAddress());
        selector.select(100);
        SocketChannel other = server.accept();
        other.write(ByteBuffer.wrap(new byte[10]));
        client.read(ByteBuffer.allocate(10));
        DatagramSocket u = new DatagramSocket(0, InetAddress.getLoopbackAddress());
        u.send(new DatagramPacket(new byte[1], 1, u.getLocalSocketAddress()));
        u.receive(new DatagramPacket(new byte[1], 1));
        InetAddress.getAllByName("localhost");
        NetworkInterface.networkInterfaces().forEach(n -> { try { n.getMTU(); } catch (Exception e) { } });
        selector.close();
    }

    public static void main(String[] words) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1",
            Integer.parseInt(System.getenv("PORT"))), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", exchange -> {
            try {
                files();
                sockets();
                new ProcessBuilder("/bin/sh", "-c", "echo a | cat").start().waitFor();
                Process child = new ProcessBuilder("sleep", "9").start();
                child.destroy();
                child.waitFor();
                ProcessHandle.allProcesses().count();
                new java.security.SecureRandom().nextInt();
                byte[][] kept = new byte[20][];
                for (int i = 0; i < 1000; i++) kept[i % 20] = new byte[1 << 20];
                System.gc();
                Thread.sleep(10);
                exchange.sendResponseHeaders(200, 4);
                exchange.getResponseBody().write("done".getBytes());
            } catch (Exception e) {
                e.printStackTrace();
            }
            exchange.close();
        });
        server.start();
    }
}
