# SPDX-License-Identifier: Apache-2.0
def timer(ms)
  due = Process.clock_gettime(Process::CLOCK_MONOTONIC) + ms / 1000.0
  Thread.new do
    sleep ms / 1000.0
    late = Process.clock_gettime(Process::CLOCK_MONOTONIC) - due
    puts "timer #{ms} late #{(late * 1000).round} ms"
    $stdout.flush
  end
  "timer #{ms} set"
end

# A method: $1 belongs to a frame, and threads in one lambda would share it.
def answer(env)
  case env['PATH_INFO']
  when %r{\A/hello/(\d+)\z} then "hello #{$1} from rack"
  when %r{\A/timer/(\d+)\z} then timer($1.to_i)
  when '/echo' then env['rack.input'].read
  end
end

run(lambda do |env|
  text = answer(env)
  [text ? 200 : 404, { 'Content-Type' => 'text/plain' }, [text || 'no such page']]
end)
