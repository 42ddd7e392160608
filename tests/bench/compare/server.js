// The benchmark's requests as one would write them with Fastify and pg: a pool, named statements, one process a processor.
// node server.js SOCKET PROCESSES
'use strict';
const cluster = require('node:cluster');
const crypto = require('node:crypto');
const fs = require('node:fs');

const [socket, processes] = process.argv.slice(2);
const settings = JSON.parse(fs.readFileSync(process.env.BENCH_SETTINGS, 'utf8'));

if (cluster.isPrimary) {
  for (let i = 0; i < Number(processes); i++) cluster.fork();
  process.on('SIGTERM', () => process.exit(0));
} else {
  serve();
}

// The subject of a token signed with HS256; null when it is not valid.
function subject(header) {
  const [head, payload, signature] = (header || '').replace(/^Bearer /, '').split('.');
  if (!signature) return null;
  const mac = crypto.createHmac('sha256', settings.secret).update(`${head}.${payload}`).digest();
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== mac.length || !crypto.timingSafeEqual(given, mac)) return null;
  if (JSON.parse(Buffer.from(head, 'base64url')).alg !== 'HS256') return null;
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  const now = Date.now() / 1000;
  const valid = claims.exp > now && claims.nbf <= now && claims.iss === 'parley' && claims.aud === 'parley';
  return valid && /^[0-9a-f-]{36}$/.test(claims.sub) ? claims.sub : null;
}

function serve() {
  const { Pool } = require('pg');
  const app = require('fastify')({ logger: false });
  const pool = new Pool({ host: settings.host, user: settings.user, database: settings.database,
    max: Math.ceil(settings.workers / Number(processes)) });

  const run = (client, name, values) => client.query({ name, text: settings.queries[name], values });

  async function transaction(begin, user, work) {
    const client = await pool.connect();
    try {
      await client.query(begin);
      await client.query(`SET LOCAL parley.user_id = '${user}'`);
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  }

  app.addHook('onRequest', async (request, reply) => {
    request.user = subject(request.headers.authorization);
    if (!request.user) return reply.code(401).send({ code: 'unauthenticated' });
  });

  app.get('/api/v1/sessions', async (request) => {
    const limit = Number(request.query.limit);
    const { rows } = await transaction('BEGIN READ ONLY', request.user, (client) =>
      run(client, 'session_list', [request.user, limit + 1, 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff']));
    return rows.slice(0, limit);
  });

  app.get('/api/v1/sessions/:id/messages', async (request, reply) => {
    const limit = Number(request.query.limit);
    const { id } = request.params;
    const [there, { rows }] = await transaction('BEGIN READ ONLY', request.user, async (client) => [
      await run(client, 'message_session', [request.user, id]),
      await run(client, 'message_last', [request.user, id, limit + 1]),
    ]);
    if (!there.rows.length) return reply.code(404).send({ code: 'session_not_found' });
    return rows.slice(0, limit).reverse();
  });

  app.post('/api/v1/sessions/:id/messages', async (request, reply) => {
    const { role, content } = request.body;
    const { rows } = await transaction('BEGIN', request.user, (client) =>
      run(client, 'message_append', [request.user, request.params.id, crypto.randomUUID(), role, content, null, null, null, null]));
    return reply.code(201).send(rows[0]);
  });

  app.listen({ path: socket });
}
