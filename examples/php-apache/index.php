<?php
// SPDX-License-Identifier: Apache-2.0
// An ordinary page of PHP; nothing in it knows of ebb.

function json($value)
{
    header('Content-Type: application/json');
    echo json_encode($value);
}

switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/sleep':
        $ms = (int) ($_GET['ms'] ?? 0);
        usleep($ms * 1000);
        json(['slept_ms' => $ms]);
        break;
    case '/echo':
        header('Content-Type: application/octet-stream');
        readfile('php://input');
        break;
    case '/limits': // a limit for each request, and as many requests as Apache has workers
        json(['memory' => ini_parse_quantity(ini_get('memory_limit'))]);
        break;
    default:
        header('Content-Type: text/plain');
        echo "hello from php\n";
}
