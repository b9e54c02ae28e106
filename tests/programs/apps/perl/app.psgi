# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;

sub {
    my ($env) = @_;
    my ($status, $text) = (404, 'no such page');
    if ($env->{PATH_INFO} =~ m{^/hello/(\d+)$}) {
        ($status, $text) = (200, "hello $1 from psgi");
    } elsif ($env->{PATH_INFO} eq '/echo') {
        $status = 200;
        $text   = '';
        $env->{'psgi.input'}->read($text, $env->{CONTENT_LENGTH} || 0);
    }
    return [$status, ['Content-Type' => 'text/plain'], [$text]];
};
