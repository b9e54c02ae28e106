# SPDX-License-Identifier: Apache-2.0
require 'webrick'

server = WEBrick::HTTPServer.new(Port: ENV['PORT'].to_i)
server.mount_proc('/hello') { |request, answer| answer.body = "hello #{request.path[%r{\d+}]} from webrick" }
server.mount_proc('/echo') { |request, answer| answer.body = request.body.to_s }
server.mount_proc('/timer') do |request, answer|
  ms = request.path[/\d+/].to_i
  due = Process.clock_gettime(Process::CLOCK_MONOTONIC) + ms / 1000.0
  Thread.new do
    sleep ms / 1000.0
    late = Process.clock_gettime(Process::CLOCK_MONOTONIC) - due
    puts "timer #{ms} late #{(late * 1000).round} ms"
    $stdout.flush
  end
  answer.body = "timer #{ms} set"
end
trap('TERM') { server.shutdown }
server.start
