-- What the services of NestJS keep: users, and articles with a copy of their authors.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    username text NOT NULL UNIQUE,
    email text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    bio text,
    image text,
    version bigint NOT NULL
);
CREATE TABLE author (
    id uuid PRIMARY KEY,
    username text NOT NULL,
    bio text,
    image text,
    version bigint NOT NULL
);
CREATE TABLE article (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    title text NOT NULL,
    description text NOT NULL,
    body text NOT NULL,
    author_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX article_newest ON article (created_at DESC, id DESC);
CREATE INDEX article_author ON article (author_id, created_at DESC);
CREATE TABLE article_tag (
    article_id uuid NOT NULL REFERENCES article ON DELETE CASCADE,
    tag text NOT NULL,
    place int NOT NULL,
    PRIMARY KEY (article_id, tag)
);
CREATE INDEX article_tag_articles ON article_tag (tag, article_id);
CREATE TABLE favorite (
    article_id uuid NOT NULL REFERENCES article ON DELETE CASCADE,
    reader uuid NOT NULL,
    PRIMARY KEY (article_id, reader)
);
CREATE INDEX favorite_reader ON favorite (reader, article_id);
