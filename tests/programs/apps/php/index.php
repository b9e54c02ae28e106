<?php // SPDX-License-Identifier: Apache-2.0
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if (preg_match('#^/hello/(\d+)$#', $path, $found)) {
    header('Content-Type: text/plain');
    echo "hello {$found[1]} from php " . PHP_SAPI;
} elseif ($path === '/echo') {
    header('Content-Type: application/octet-stream');
    echo file_get_contents('php://input');
} else {
    http_response_code(404);
    echo 'no such page';
}
