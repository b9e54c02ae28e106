// SPDX-License-Identifier: Apache-2.0
// What functions in Node do: serve, fetch, files, children, workers, compression, names, UDP, timers.
const http = require("http"), fs = require("fs"), os = require("os"), path = require("path");
const { execFileSync, spawn } = require("child_process");
const { Worker } = require("worker_threads");
const zlib = require("zlib"), crypto = require("crypto"), dns = require("dns"), dgram = require("dgram");

function files() {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "w-")), file = path.join(dir, "a");
    fs.writeFileSync(file, "x".repeat(100000));
    fs.copyFileSync(file, file + "2");
    fs.appendFileSync(file, "y");
    fs.truncateSync(file, 10);
    fs.symlinkSync("a", dir + "/l");
    fs.readlinkSync(dir + "/l");
    fs.renameSync(file + "2", file + "3");
    fs.utimesSync(file, 1, 1);
    fs.chmodSync(file, 0o600);
    fs.statfsSync && fs.statfsSync(dir);
    const watcher = fs.watch(dir, () => {});
    const fd = fs.openSync(file, "r+");
    fs.fsyncSync(fd); fs.fdatasyncSync(fd); fs.closeSync(fd);
    fs.readdirSync(dir);
    watcher.close();
    fs.rmSync(dir, { recursive: true });
}

function waitFor(stream, event) {
    return new Promise((done, fail) => { stream.on(event, done); stream.on("error", fail); });
}

async function work() {
    files();
    execFileSync("/bin/sh", ["-c", "echo a | cat"]);
    const child = spawn("sleep", ["9"]);
    child.kill();
    await waitFor(child, "close");
    await waitFor(new Worker("require('worker_threads').parentPort.postMessage(1)", { eval: true }), "exit");
    zlib.gunzipSync(zlib.gzipSync(Buffer.alloc(100000)));
    crypto.pbkdf2Sync("a", "b", 10, 32, "sha256");
    crypto.randomBytes(16);
    await dns.promises.lookup("localhost");
    dns.promises.resolve4("localhost").catch(() => {});
    os.cpus(); os.networkInterfaces(); os.userInfo(); os.loadavg(); os.setPriority(0, os.getPriority());
    const u = dgram.createSocket("udp4");
    await new Promise((done) => u.bind(0, "127.0.0.1", done));
    u.send("a", u.address().port, "127.0.0.1");
    await waitFor(u, "message");
    u.close();
    process.stdout.isTTY; process.title = "work"; process.setegid && process.umask();
    process.memoryUsage(); process.cpuUsage(); process.hrtime(); process.kill(process.pid, 0);
}

const server = http.createServer(async (request, reply) => {
    await work();
    reply.setTimeout(1000);
    fs.createReadStream(__filename).pipe(reply);
});
server.listen(Number(process.env.PORT));
process.on("SIGTERM", () => process.exit(0));
