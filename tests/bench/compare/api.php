<?php
// The benchmark's requests as one would write them in plain PHP with PDO: a kept connection, no statement prepared for one use.

function subject(string $secret): ?string
{
    $parts = explode('.', substr($_SERVER['HTTP_AUTHORIZATION'] ?? '', 7));
    if (count($parts) !== 3) {
        return null;
    }
    $decode = fn (string $text) => base64_decode(strtr($text, '-_', '+/'));
    $mac = hash_hmac('sha256', "$parts[0].$parts[1]", $secret, true);
    if (!hash_equals($mac, $decode($parts[2])) || json_decode($decode($parts[0]))->alg !== 'HS256') {
        return null;
    }
    $claims = json_decode($decode($parts[1]));
    $now = time();
    $valid = $claims->exp > $now && $claims->nbf <= $now && $claims->iss === 'parley' && $claims->aud === 'parley';
    return $valid && preg_match('/^[0-9a-f-]{36}$/', $claims->sub) ? $claims->sub : null;
}

function answer(int $status, mixed $body): never
{
    $text = json_encode($body, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
    http_response_code($status);
    header('Content-Type: application/json');
    header('Content-Length: ' . strlen($text));
    echo $text;
    exit;
}

// $1 becomes :p1, of which one may stand in more places.
function run(PDO $db, string $query, array $values): array
{
    $statement = $db->prepare(preg_replace('/\$(\d+)/', ':p$1', $query));
    foreach ($values as $i => $value) {
        $statement->bindValue(':p' . ($i + 1), $value);
    }
    $statement->execute();
    return $statement->fetchAll(PDO::FETCH_ASSOC);
}

$settings = json_decode(file_get_contents(getenv('BENCH_SETTINGS')), true);
$queries = $settings['queries'];
$user = subject($settings['secret']) ?? answer(401, ['code' => 'unauthenticated']);
$db = new PDO("pgsql:host=$settings[host];dbname=$settings[database]", $settings['user'], null, [
    PDO::ATTR_PERSISTENT => true,
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
    PDO::PGSQL_ATTR_DISABLE_PREPARES => true,
]);
$path = explode('/', parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
parse_str(parse_url($_SERVER['REQUEST_URI'], PHP_URL_QUERY) ?? '', $query);
$limit = (int) ($query['limit'] ?? 50);
$session = $path[4] ?? null;
$writes = $_SERVER['REQUEST_METHOD'] === 'POST';

$db->exec($writes ? 'BEGIN' : 'BEGIN READ ONLY');
$db->exec("SET LOCAL parley.user_id = '$user'");
if ($writes) {
    $body = json_decode(file_get_contents('php://input'), true);
    $bytes = random_bytes(16);
    $bytes[6] = chr(ord($bytes[6]) & 0x0f | 0x40);
    $bytes[8] = chr(ord($bytes[8]) & 0x3f | 0x80);
    $rows = run($db, $queries['message_append'],
        [$user, $session, bin2hex($bytes), $body['role'], $body['content'], null, null, null, null]);
    $db->exec('COMMIT');
    answer(201, $rows[0]);
}
if ($session === null) {
    $rows = run($db, $queries['session_list'], [$user, $limit + 1, 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff']);
    $db->exec('COMMIT');
    answer(200, array_slice($rows, 0, $limit));
}
$there = run($db, $queries['message_session'], [$user, $session]);
$rows = run($db, $queries['message_last'], [$user, $session, $limit + 1]);
$db->exec('COMMIT');
$there ? answer(200, array_reverse(array_slice($rows, 0, $limit))) : answer(404, ['code' => 'session_not_found']);
