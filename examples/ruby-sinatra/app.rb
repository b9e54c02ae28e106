# SPDX-License-Identifier: Apache-2.0
# An ordinary Sinatra application; nothing in it knows of ebb.
require 'etc'
require 'json'
require 'sinatra'

$stdout.sync = true

get('/') do
  puts "#{request.request_method} #{request.fullpath}"
  content_type :text
  "hello from ruby\n"
end

get('/sleep') do
  sleep params[:ms].to_i / 1000.0
  content_type :json
  { slept_ms: params[:ms].to_i }.to_json
end

post('/echo') do
  content_type 'application/octet-stream'
  request.body.read
end

# The limits that Ruby sees.
get('/limits') do
  content_type :json
  { cpus: Etc.nprocessors }.to_json
end
