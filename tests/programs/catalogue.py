# SPDX-License-Identifier: Apache-2.0
"""
The programs: the kind of each, the image that has it, its command, and the requests that it can answer.

The commands are those of the programs' own guides and know nothing of ebb. `$PORT` in a command is read by a shell, as
in most images.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    family: str
    package: str  # whose version the table shows: of Debian, else of npm
    image: str    # a name in images.IMAGES
    command: object  # a list, or a line for sh
    says: str = "hello {n}"  # within the answer to `path`
    path: str = "/hello/{n}"
    timer: str = "/timer/{ms}"  # sets a timer that logs `timer MS late N ms`; None: it has none
    echo: bool = True  # answers a POST to /echo with its body
    env: dict = dataclasses.field(default_factory=dict)
    ebb: dict = dataclasses.field(default_factory=dict)  # settings under `ebb`
    memory: int = 512
    clients: tuple = ()  # (file of apps/npm/clients, word...): each must say `right`
    logs: str = None  # words of its log after a request
    fast: bool = False  # also in `make check`
    note: str = ""

    @property
    def argv(self):
        return ["sh", "-c", "exec " + self.command] if isinstance(self.command, str) else list(self.command)

    @property
    def made(self):
        return "ebb build" if self.image in BUILT else "image"


HIDDEN = "its loop ticks below a second: longer timers behind it cannot be seen, and wait for the next request"

BUILT = ("npm", "nest", "next15", "next16", "sveltekit", "nuxt", "nitro")
NODE = ["/usr/bin/node", "--experimental-async-context-frame", "--no-memory-reducer",
        "--require=/usr/lib/ebb/node/boot.cjs"]
PY = "cd /srv/python && exec "


def python(name, package, command, framework, **more):
    return Program(name, "Python", package, "debian", ["sh", "-c", PY + command],
                   says="hello {n} from " + framework, **more)


PYTHON = [
    python("flask-run", "python3-flask", "flask --app flask_app run -h 0.0.0.0 -p $PORT", "flask",
           logs="GET /hello/"),
    python("gunicorn-sync-flask", "gunicorn", "gunicorn -b 0.0.0.0:$PORT --access-logfile - flask_app:app",
           "flask", logs="GET /hello/", fast=True),
    python("gunicorn-gthread-django", "gunicorn",
           "gunicorn -k gthread --threads 8 -b 0.0.0.0:$PORT --access-logfile - django_app:wsgi", "django",
           logs="GET /hello/"),
    python("gunicorn-4-workers", "gunicorn", "gunicorn -w 4 -b 0.0.0.0:$PORT --access-logfile - flask_app:app",
           "flask", logs="GET /hello/"),
    python("gunicorn-uvicorn-fastapi", "gunicorn",
           "gunicorn -k uvicorn.workers.UvicornWorker -b 0.0.0.0:$PORT --access-logfile - fastapi_app:app",
           "fastapi", logs="Started server process|startup complete", timer=None, note=HIDDEN),
    python("uvicorn-fastapi", "uvicorn", "uvicorn --host 0.0.0.0 --port $PORT fastapi_app:app", "fastapi",
           logs="GET /hello/", timer=None, note=HIDDEN),
    python("uvicorn-django", "python3-django", "uvicorn --host 0.0.0.0 --port $PORT django_app:asgi", "django",
           logs="GET /hello/"),
    python("hypercorn-fastapi", "python3-hypercorn",
           "python3 -m hypercorn -b 0.0.0.0:$PORT --access-logfile - fastapi_app:app", "fastapi",
           logs="Running on"),
    python("waitress-flask", "python3-waitress", "waitress-serve --port=$PORT flask_app:app", "flask",
           logs="Serving on"),
    python("waitress-django", "python3-waitress", "waitress-serve --port=$PORT django_app:wsgi", "django",
           logs="Serving on"),
    python("aiohttp", "python3-aiohttp", "python3 aiohttp_app.py", "aiohttp", fast=True),
    python("tornado", "python3-tornado", "python3 tornado_app.py", "tornado"),
    Program("http.server", "Python", "python3", "debian", "python3 -u -m http.server -d /srv/static $PORT",
            path="/hello.txt?n={n}", says="hello from a file", timer=None, echo=False, logs="GET /hello.txt"),
]

DEBIAN = [
    Program("nginx", "Servers", "nginx-light", "debian", ["nginx", "-g", "daemon off;"], says="Welcome to nginx",
            path="/index.nginx-debian.html?n={n}", timer=None, echo=False, ebb={"port": 80}, fast=True,
            note="Debian's own configuration, begun as root, port 80"),
    Program("httpd", "Servers", "apache2", "debian", ["apache2ctl", "-D", "FOREGROUND"], says="Apache2 Debian Default",
            path="/index.html?n={n}", timer=None, echo=False, ebb={"port": 80},
            note="Debian's own configuration, begun as root, port 80"),
    Program("lighttpd", "Servers", "lighttpd", "debian",
            ["lighttpd", "-D", "-f", "/etc/lighttpd/lighttpd.conf"], says="It works",
            path="/index.html?n={n}", timer=None, echo=False, ebb={"port": 80},
            note="Debian's own configuration, begun as root, port 80"),
    Program("caddy", "Servers", "caddy", "go-debian", "caddy file-server --listen :$PORT --root /srv/static",
            path="/hello.txt?n={n}", says="hello from a file", timer=None, echo=False, logs="serving|admin"),
    Program("prometheus", "Servers", "prometheus", "go-debian",
            ["prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/prometheus"],
            path="/-/healthy?n={n}", says="Prometheus", timer=None, echo=False, ebb={"port": 9090, "scratch": 128},
            logs="ready to receive", note="scrapes itself every 15 s"),
    Program("redis-webdis", "Servers", "redis-server", "debian", ["/srv/shell/webdis"],
            path="/ECHO/hello-{n}.txt", says="hello-{n}", timer=None, echo=False, logs="Ready to accept", fast=True,
            note="webdis speaks HTTP for it, both in one instance"),
    Program("php-S", "PHP", "php8.2-cli", "debian", "php -S 0.0.0.0:$PORT /srv/php/index.php",
            says="hello {n} from php cli-server", timer=None, logs="Accepted"),
    Program("php-fpm-nginx", "PHP", "php8.2-fpm", "debian", ["/srv/php/fpm"],
            says="hello {n} from php fpm-fcgi", timer=None, logs="GET /hello/", ebb={"port": 8080},
            note="two servers in one instance, begun as root"),
    Program("puma", "Ruby", "puma", "debian", "puma -b tcp://0.0.0.0:$PORT /srv/ruby/config.ru",
            says="hello {n} from rack", logs="Listening on", fast=True),
    Program("puma-one-thread", "Ruby", "puma", "debian", "puma -t 1:1 -b tcp://0.0.0.0:$PORT /srv/ruby/config.ru",
            says="hello {n} from rack", logs="Listening on"),
    Program("sinatra", "Ruby", "ruby-sinatra", "debian", "ruby /srv/ruby/sinatra_app.rb -e production",
            says="hello {n} from sinatra", timer=None, logs="Listening on|Sinatra"),
    Program("webrick", "Ruby", "ruby-webrick", "debian", "ruby /srv/ruby/webrick_app.rb",
            says="hello {n} from webrick", logs="HTTPServer#start"),
    Program("mojolicious", "Perl", "libmojolicious-perl", "debian",
            "perl /srv/perl/mojo.pl daemon -m production -l http://*:$PORT", says="hello {n} from mojolicious",
            logs="Web application available|Listening at", fast=True, timer=None, note=HIDDEN),
    Program("starman", "Perl", "starman", "debian", "starman --port $PORT --workers 4 /srv/perl/app.psgi",
            says="hello {n} from psgi", timer=None, logs="Starman::Server"),
    Program("busybox-httpd", "Shells", "busybox", "debian", ["/srv/shell/busybox"], path="/cgi-bin/hello/{n}",
            says="hello {n} from busybox", timer=None, echo=False, logs="asked for",
            note="CGI; heads with bare line feeds"),
    Program("socat-sh", "Shells", "socat", "debian",
            "socat TCP-LISTEN:$PORT,reuseaddr,fork,backlog=128 EXEC:/srv/shell/answer", says="hello {n} from sh",
            timer=None, echo=False, logs="GET /hello/", fast=True, note="a process per request"),
]

JAVA = [
    Program("jdk-httpserver", "Java", "openjdk-17-jre-headless", "java", ["java", "-cp", "/srv/java", "Server"],
            says="hello {n} from the jdk", memory=512, ebb={"initTimeout": 30}, logs="listening on"),
    Program("tomcat", "Java", "tomcat10", "java",
            ["sh", "-c", "export CATALINA_BASE=/var/lib/tomcat10 CATALINA_HOME=/usr/share/tomcat10"
             " JAVA_HOME=/usr/lib/jvm/java-17-openjdk-amd64; exec /usr/share/tomcat10/bin/catalina.sh run"],
            path="/?n={n}", says="It works", timer=None, echo=False, memory=1024,
            ebb={"port": 8080, "initTimeout": 60}, logs="Server startup"),
    Program("jetty", "Java", "jetty9", "java",
            ["sh", "-c", "cd /usr/share/jetty9 && exec java -Djetty.home=/usr/share/jetty9 -Djetty.base=/usr/share/jetty9"
             " -jar start.jar jetty.http.host=0.0.0.0 jetty.http.port=$PORT"],
            path="/no-page?n={n}", says="Powered by Jetty", timer=None, echo=False, memory=1024,
            ebb={"initTimeout": 60}, logs="Started", note="answers 404 of its own"),
]

COMPILED = [
    Program("go-net-http", "Go", "golang-go", "go", ["/server"], says="hello {n} from go", logs="listening on"),
    Program("rust-hyper", "Rust", "librust-hyper-dev", "rust", ["/server"], says="hello {n} from hyper",
            logs="listening on"),
]


def npm(name, file=None, **more):
    more = {"package": name, "says": "hello {n} from " + name, **more}
    return Program(name=name, family="npm", image="npm", command=[*NODE, file or name + ".mjs"], **more)


def framework(name, package, entry, image, **more):
    return Program(name, "npm", package, image, [*NODE, entry], ebb={"initTimeout": 30}, echo=False, **more)


H2C = {"upstream": "h2c"}
GRPC = {"path": None, "timer": None, "echo": False, "ebb": H2C}
NPM = [
    npm("express", logs="express listens", fast=True),
    Program("express-image", "npm", "express", "node", ["/usr/bin/node", "/srv/npm/express.mjs"],
            says="hello {n} from express", logs="express listens", note="plain node, no runtime of ebb's"),
    npm("fastify", logs='"method":"GET"'),
    npm("hono", logs="hono listens"),
    npm("koa", logs="koa listens"),
    npm("hapi", package="@hapi/hapi"),
    npm("polka", logs="polka listens"),
    npm("trpc", package="@trpc/server", path="/hello?input={n}", timer="/timer?input={ms}", echo=False,
        clients=(("trpc",),)),
    npm("graphql-yoga", "yoga.mjs", path="/graphql?query=%7Bhello(n:{n})%7D", says="hello {n} from yoga",
        timer="/graphql?query=%7Btimer(ms:{ms})%7D", echo=False, logs="yoga listens"),
    npm("socket.io", "socketio.mjs", echo=False, logs="socket.io listens",
        clients=(("socketio", "polling"), ("socketio", "websocket")), fast=True),
    npm("ws", echo=False, logs="ws listens", clients=(("ws",),)),
    npm("http-server", "node_modules/http-server/bin/http-server", path="/package.json?n={n}", says="npm-programs",
        timer=None, echo=False, logs="GET /package.json"),
    npm("grpc-js", "grpc.mjs", package="@grpc/grpc-js", logs="grpc-js listens", **GRPC),
    Program("grpcio", "Python", "python3-grpcio", "debian", "python3 /srv/python/grpc_app.py", **GRPC),
    framework("nestjs", "@nestjs/core", "dist/main.js", "nest", says="hello {n} from nest", logs="Nest application"),
    framework("next15", "next", "server.js", "next15", says="hello {n} from next", logs="Ready in", memory=1024,
              note="output: standalone"),
    framework("next16", "next", "server.js", "next16", says="hello {n} from next", logs="Ready in", memory=1024,
              note="output: standalone"),
    framework("sveltekit", "@sveltejs/kit", "index.js", "sveltekit", says="hello {n} from sveltekit",
              logs="Listening on"),
    framework("nuxt", "nuxt", "server/index.mjs", "nuxt", says="hello {n} from nitro", logs="Listening on"),
    framework("nitro", "nitropack", "server/index.mjs", "nitro", says="hello {n} from nitro", logs="Listening on"),
]

PROGRAMS = PYTHON + DEBIAN + JAVA + COMPILED + NPM


def chosen(words):
    """fast, all, or names and families separated by commas."""
    if words == "all":
        return PROGRAMS
    if words == "fast":
        return [p for p in PROGRAMS if p.fast]
    wanted = words.split(",")
    found = [p for p in PROGRAMS if p.name in wanted or p.family in wanted]
    known = {p.name for p in PROGRAMS} | {p.family for p in PROGRAMS}
    if unknown := [w for w in wanted if w not in known]:
        raise ValueError(f"APPS: no program or family is called {', '.join(unknown)}; there are: fast, all, "
                         + ", ".join(sorted(known)))
    return found
