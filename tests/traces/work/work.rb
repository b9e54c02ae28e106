# SPDX-License-Identifier: Apache-2.0
# What functions in Ruby do: WEBrick, threads, children, files, sockets, names.
require "webrick"
require "tmpdir"
require "fileutils"
require "socket"
require "open3"
require "etc"
require "io/console"
require "securerandom"
require "tempfile"
require "timeout"

def files
  Dir.mktmpdir do |dir|
    File.write("#{dir}/a", "x" * 100_000)
    FileUtils.cp("#{dir}/a", "#{dir}/b", preserve: true)
    FileUtils.mv("#{dir}/b", "#{dir}/c")
    IO.copy_stream("#{dir}/a", "#{dir}/d")
    File.symlink("a", "#{dir}/l")
    File.utime(1, 1, "#{dir}/a")
    File.open("#{dir}/a", "r+") { |f| f.flock(File::LOCK_EX); f.truncate(10); f.fsync; f.fdatasync; f.pread(1, 0) }
    File.mkfifo("#{dir}/f")
    Dir.children(dir)
  end
end

def sockets
  server = TCPServer.new("127.0.0.1", 0)
  client = TCPSocket.new("127.0.0.1", server.addr[1])
  peer = server.accept
  client.write("a")
  peer.read_nonblock(1) rescue IO.select([peer], nil, nil, 1)
  u = UDPSocket.new
  u.bind("127.0.0.1", 0)
  u.send("a", 0, "127.0.0.1", u.addr[1])
  u.recvfrom(1)
  UNIXSocket.pair
  Addrinfo.getaddrinfo("localhost", 80)
  Socket.getifaddrs
end

server = WEBrick::HTTPServer.new(Port: ENV["PORT"].to_i, BindAddress: "127.0.0.1", AccessLog: [])
server.mount_proc("/") do |_, reply|
  files
  sockets
  Open3.capture2("cat", stdin_data: "a")
  `echo a`
  pid = fork { exit!(0) }
  Process.wait(pid)
  Process.kill(:TERM, spawn("sleep 9"))
  Process.waitall
  Thread.new { sleep 0.01 }.join
  Timeout.timeout(1) { sleep 0.01 }
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
  Process.getrlimit(:NOFILE)
  Etc.nprocessors
  Etc.getpwuid
  SecureRandom.hex
  GC.start
  GC.compact if GC.respond_to?(:compact)
  $stdout.tty?
  reply.body = "done"
end
trap("TERM") { server.shutdown }
server.start
