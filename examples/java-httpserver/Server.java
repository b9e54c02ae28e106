// SPDX-License-Identifier: Apache-2.0
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** An ordinary server of the JDK; nothing in it knows of ebb. */
public class Server {
	private static void say(HttpExchange exchange, String type, byte[] body) throws IOException {
		exchange.getResponseHeaders().set("Content-Type", type);
		exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
		exchange.getResponseBody().write(body);
		exchange.close();
	}

	private static void hello(HttpExchange exchange) throws IOException {
		System.out.println(exchange.getRequestMethod() + " " + exchange.getRequestURI());
		say(exchange, "text/plain", "hello from java\n".getBytes());
	}

	private static void sleep(HttpExchange exchange) throws IOException {
		int ms = Integer.parseInt(exchange.getRequestURI().getQuery().replace("ms=", ""));
		try {
			Thread.sleep(ms);
		} catch (InterruptedException e) {
			Thread.currentThread().interrupt();
		}
		say(exchange, "application/json", ("{\"slept_ms\":" + ms + "}").getBytes());
	}

	private static void echo(HttpExchange exchange) throws IOException {
		say(exchange, "application/octet-stream", exchange.getRequestBody().readAllBytes());
	}

	/** What the JVM believes that it has. */
	private static void limits(HttpExchange exchange) throws IOException {
		Runtime jvm = Runtime.getRuntime();
		say(exchange, "application/json", ("{\"cpus\":" + jvm.availableProcessors()
			+ ",\"memory\":" + jvm.maxMemory() + "}").getBytes());
	}

	public static void main(String[] args) throws IOException {
		int port = Integer.parseInt(System.getenv("PORT"));
		HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
		ExecutorService workers = Executors.newFixedThreadPool(32);
		server.setExecutor(workers);
		server.createContext("/", Server::hello);
		server.createContext("/sleep", Server::sleep);
		server.createContext("/echo", Server::echo);
		server.createContext("/limits", Server::limits);
		Runtime.getRuntime().addShutdownHook(new Thread(() -> {
			server.stop(1);
			workers.shutdown();
		}));
		server.start();
		System.out.println("listening on " + port);
	}
}
