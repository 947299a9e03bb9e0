// Registration and login: node auth.mjs BROKERS PREFIX DATABASE_URL PRIVATE_KEY.
import { randomUUID } from 'node:crypto';
import {
  Controller, MessagePattern, Module, RpcException, connect, database, decorate, given, require, serve, topic,
} from './shared.mjs';

// Faster than the one of Node.js itself.
const { Algorithm, hash, verify } = require('@node-rs/argon2');
const { SignJWT, importPKCS8 } = require('jose');
const [url, pem] = given;
const pool = database(url);
const key = await importPKCS8(pem, 'ES256');
const events = await connect('auth', []);

// OWASP's first choice, as ours: 19 MiB, twice, one lane.
const COST = { algorithm: Algorithm.Argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 };

const token = (id) =>
  new SignJWT().setProtectedHeader({ alg: 'ES256' }).setSubject(id).setAudience('conduit')
    .setIssuedAt().setExpirationTime('7d').sign(key);

class Auth {
  async create({ username, email, password }) {
    const user = { id: randomUUID(), username, email, bio: null, image: null, version: 1 };
    const insert = 'INSERT INTO users (id, username, email, password_hash, version) VALUES ($1, $2, $3, $4, 1)';
    await pool.query(insert, [user.id, username, email, await hash(password, COST)]);
    events.tell('user_changed', user.id, { id: user.id, username, bio: null, image: null, version: 1 });
    return { user, token: await token(user.id) };
  }

  async validate({ email, password }) {
    const { rows: [row] } = await pool.query('SELECT * FROM users WHERE email = $1', [email]);
    if (row === undefined || !(await verify(row.password_hash, password)))
      throw new RpcException({ status: 401, path: 'credentials', detail: 'invalid' });
    const { password_hash: _, ...user } = row;
    return { user, token: await token(user.id) };
  }
}
decorate(Auth, 'create', [MessagePattern(topic('user_creation'))]);
decorate(Auth, 'validate', [MessagePattern(topic('validate_user'))]);
Controller()(Auth);

class Service {}
Module({ controllers: [Auth] })(Service);
await serve('auth', Service);
