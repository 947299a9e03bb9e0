// Articles with their authors, tags and favourites: node articles.mjs BROKERS PREFIX DATABASE_URL.
import { randomBytes, randomUUID } from 'node:crypto';
import {
  Controller, EventPattern, MessagePattern, Module, RpcException, database, decorate, given, serve, topic,
} from './shared.mjs';

const [url] = given;
const pool = database(url);

const SHOWN = `
  SELECT a.slug, a.title, a.description, a.body, a.created_at AS "createdAt", a.updated_at AS "updatedAt",
    ARRAY(SELECT tag FROM article_tag WHERE article_id = a.id ORDER BY place) AS "tagList",
    EXISTS (SELECT FROM favorite WHERE article_id = a.id AND reader = $1) AS favorited,
    (SELECT count(*)::int FROM favorite WHERE article_id = a.id) AS "favoritesCount",
    json_build_object('id', u.id, 'username', u.username, 'bio', u.bio, 'image', u.image) AS author
  FROM article a JOIN author u ON u.id = a.author_id`;

const refuse = (path) => {
  throw new RpcException({ status: 404, path, detail: 'not found' });
};

const inTransaction = async (work) => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
};

const shown = async (client, reader, slug) => {
  const { rows: [row] } = await client.query(`${SHOWN} WHERE a.slug = $2`, [reader, slug]);
  return row ?? refuse('article');
};

class Articles {
  create({ author, title, description, body, tagList }) {
    const words = title.toLowerCase().replace(/[^a-z0-9]+/g, '-');
    const slug = `${words}-${randomBytes(4).toString('hex')}`;
    return inTransaction(async (client) => {
      const { rowCount } = await client.query('SELECT FROM author WHERE id = $1', [author]);
      if (!rowCount) refuse('user');
      const insert = 'INSERT INTO article (id, slug, title, description, body, author_id) VALUES ($1, $2, $3, $4, $5, $6)';
      const id = randomUUID();
      await client.query(insert, [id, slug, title, description, body, author]);
      const tags = 'INSERT INTO article_tag SELECT $1, tag, place FROM unnest($2::text[]) WITH ORDINALITY AS t (tag, place)';
      await client.query(tags, [id, [...new Set(tagList)]]);
      return shown(client, author, slug);
    });
  }

  async list({ reader, limit, offset }) {
    const newest = `${SHOWN} ORDER BY a.created_at DESC, a.id DESC LIMIT $2 OFFSET $3`;
    const [{ rows }, { rows: [{ count }] }] = await Promise.all([
      pool.query(newest, [reader, limit, offset]),
      pool.query('SELECT count(*)::int FROM article'),
    ]);
    return { articles: rows.map(({ body: _, ...article }) => article), articlesCount: count };
  }

  async favorite({ slug, reader }) {
    const insert = 'INSERT INTO favorite SELECT id, $2 FROM article WHERE slug = $1 ON CONFLICT DO NOTHING';
    await pool.query(insert, [slug, reader]);
    return shown(pool, reader, slug);
  }

  async copy({ id, username, bio, image, version }) {
    const upsert = `INSERT INTO author VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET username = excluded.username,
      bio = excluded.bio, image = excluded.image, version = excluded.version WHERE excluded.version > author.version`;
    await pool.query(upsert, [id, username, bio, image, version]);
  }
}
decorate(Articles, 'create', [MessagePattern(topic('create_article'))]);
decorate(Articles, 'list', [MessagePattern(topic('get_all_articles'))]);
decorate(Articles, 'favorite', [MessagePattern(topic('favorite_article'))]);
decorate(Articles, 'copy', [EventPattern(topic('user_changed'))]);
Controller()(Articles);

class Service {}
Module({ controllers: [Articles] })(Service);
await serve('articles', Service);
