# SPDX-License-Identifier: Apache-2.0
require 'sinatra'

set :bind, '0.0.0.0'
set :port, ENV['PORT']
get('/hello/:n') { "hello #{params[:n]} from sinatra" }
post('/echo') { request.body.read }
