// SPDX-License-Identifier: Apache-2.0
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;

/** What a JVM believes it has, and one that makes garbage as fast as it can. */
public class Limits {
	private static void say(HttpExchange exchange, String text) throws IOException {
		byte[] body = text.getBytes();
		exchange.sendResponseHeaders(200, body.length);
		exchange.getResponseBody().write(body);
		exchange.close();
	}

	/** So many ms long: arrays of all sizes, some kept for a while. Answers how many MB. */
	private static long makeGarbage(long ms) {
		long until = System.nanoTime() + ms * 1_000_000L, made = 0;
		byte[][] kept = new byte[64][];
		for (int i = 0; System.nanoTime() < until; i++) {
			byte[] one = new byte[1 << (10 + i % 8)];
			kept[i % kept.length] = one;
			made += one.length;
		}
		return made >> 20;
	}

	public static void main(String[] args) throws IOException {
		int port = Integer.parseInt(System.getenv("PORT"));
		HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
		server.createContext("/heap", e -> say(e, Runtime.getRuntime().maxMemory() + " "
			+ Runtime.getRuntime().availableProcessors()));
		server.createContext("/garbage/", e -> say(e, "made "
			+ makeGarbage(Long.parseLong(e.getRequestURI().getPath().substring(9)))));
		server.start();
	}
}
