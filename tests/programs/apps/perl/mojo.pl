# SPDX-License-Identifier: Apache-2.0
use Mojolicious::Lite -signatures;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

STDOUT->autoflush(1);
get '/hello/:n' => sub ($c) { $c->render(text => 'hello ' . $c->param('n') . ' from mojolicious') };
post '/echo' => sub ($c) { $c->render(data => $c->req->body) };
get '/timer/:ms' => sub ($c) {
    my $ms  = $c->param('ms');
    my $due = clock_gettime(CLOCK_MONOTONIC) + $ms / 1000;
    Mojo::IOLoop->timer($ms / 1000 => sub {
        printf "timer %d late %d ms\n", $ms, (clock_gettime(CLOCK_MONOTONIC) - $due) * 1000;
    });
    $c->render(text => "timer $ms set");
};
app->start;
