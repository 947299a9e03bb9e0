// The REST door: node gateway.mjs BROKERS PREFIX PORT PUBLIC_KEY.
import {
  Body, Controller, Get, Headers, HttpCode, HttpException, Module, Param, Post, Query,
  connect, decorate, given, require, serveHttp,
} from './shared.mjs';

const { importSPKI, jwtVerify } = require('jose');
const [port, pem] = given;
const key = await importSPKI(pem, 'ES256');
const ASKS = ['user_creation', 'validate_user', 'create_article', 'get_all_articles', 'favorite_article'];
const services = await connect('gateway', ASKS);

const ask = async (pattern, data) => {
  try {
    return await services.ask(pattern, data);
  } catch ({ status = 500, path = 'body', detail = 'failed' }) {
    throw new HttpException({ errors: { [path]: [detail] } }, status);
  }
};

const readerOf = async (authorization) => {
  try {
    const [, token] = authorization.split(' ');
    return (await jwtVerify(token, key, { audience: 'conduit', algorithms: ['ES256'] })).payload.sub;
  } catch {
    throw new HttpException({ errors: { token: ['is invalid'] } }, 401);
  }
};

const requireText = (body, fields) => {
  const blank = fields.filter((field) => typeof body?.[field] !== 'string' || !body[field].trim());
  const errors = Object.fromEntries(blank.map((field) => [field, ["can't be blank"]]));
  if (blank.length) throw new HttpException({ errors }, 422);
};

const signedIn = ({ user: { username, email, bio, image }, token }) => ({ user: { username, email, bio, image, token } });
const shown = ({ author: { username, bio, image }, ...article }) => ({
  ...article, author: { username, bio, image, following: false },
});

class Gateway {
  async register({ user }) {
    requireText(user, ['username', 'email', 'password']);
    const { username, email, password } = user;
    return signedIn(await ask('user_creation', { username, email, password }));
  }

  async login({ user }) {
    requireText(user, ['email', 'password']);
    return signedIn(await ask('validate_user', { email: user.email, password: user.password }));
  }

  async articles({ limit = 20, offset = 0 }) {
    const page = await ask('get_all_articles', { reader: null, limit: Number(limit), offset: Number(offset) });
    return { articles: page.articles.map(shown), articlesCount: page.articlesCount };
  }

  async create(authorization, { article }) {
    const author = await readerOf(authorization);
    requireText(article, ['title', 'description', 'body']);
    const { title, description, body, tagList = [] } = article;
    return { article: shown(await ask('create_article', { author, title, description, body, tagList })) };
  }

  async favorite(authorization, slug) {
    const reader = await readerOf(authorization);
    return { article: shown(await ask('favorite_article', { slug, reader })) };
  }
}
decorate(Gateway, 'register', [Post('users')], Body());
decorate(Gateway, 'login', [Post('users/login'), HttpCode(200)], Body());
decorate(Gateway, 'articles', [Get('articles')], Query());
decorate(Gateway, 'create', [Post('articles')], Headers('authorization'), Body());
decorate(Gateway, 'favorite', [Post('articles/:slug/favorite'), HttpCode(200)], Headers('authorization'), Param('slug'));
Controller('api')(Gateway);

class App {}
Module({ controllers: [Gateway] })(App);
await serveHttp(port, App);
