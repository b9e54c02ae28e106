// SPDX-License-Identifier: Apache-2.0
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** The JDK's own server, as small services use it. */
public class Server {
	private static final ScheduledExecutorService timers = Executors.newScheduledThreadPool(1);

	private static void say(HttpExchange exchange, byte[] body) throws IOException {
		exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
		exchange.getResponseBody().write(body);
		exchange.close();
	}

	private static String last(HttpExchange exchange) {
		String path = exchange.getRequestURI().getPath();
		return path.substring(path.lastIndexOf('/') + 1);
	}

	private static void timer(int ms) {
		long due = System.nanoTime() + ms * 1_000_000L;
		timers.schedule(() -> System.out.println("timer " + ms + " late "
			+ (System.nanoTime() - due) / 1_000_000 + " ms"), ms, TimeUnit.MILLISECONDS);
	}

	public static void main(String[] args) throws IOException {
		int port = Integer.parseInt(System.getenv("PORT"));
		HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
		server.setExecutor(Executors.newFixedThreadPool(16));
		server.createContext("/hello/", e -> say(e, ("hello " + last(e) + " from the jdk").getBytes()));
		server.createContext("/echo", e -> say(e, e.getRequestBody().readAllBytes()));
		server.createContext("/garbage/", e -> {
			long made = 0;
			for (int i = 0; i < Integer.parseInt(last(e)); i++)
				made += new byte[1 << 20].length;
			say(e, ("made " + (made >> 20)).getBytes());
		});
		server.createContext("/timer/", e -> {
			timer(Integer.parseInt(last(e)));
			say(e, ("timer " + last(e) + " set").getBytes());
		});
		server.start();
		System.out.println("listening on " + port);
	}
}
