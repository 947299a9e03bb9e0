"""Articles with their tags, favourites and comments, the copy of the users, and the requests."""

from kits.postgres.migration_steps import run

revision = "202611281330"
down_revision = None

_PERSON = """
CREATE TABLE {schema}.person (
    id text COLLATE "C" CONSTRAINT pk_person PRIMARY KEY,
    username text NOT NULL,
    bio text,
    image text,
    version integer NOT NULL CONSTRAINT ck_person_version CHECK (version >= 1),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

# Not unique: one user's event may overtake that of the user who gave the name away.
_NAME = """
CREATE INDEX ix_person_username ON {schema}.person (username)
"""

_ARTICLE = """
CREATE TABLE {schema}.article (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_article PRIMARY KEY,
    slug text COLLATE "C" NOT NULL,
    author_id text COLLATE "C" NOT NULL
        CONSTRAINT fk_article_author_id_person REFERENCES {schema}.person,
    title text NOT NULL,
    description text NOT NULL,
    body text NOT NULL,
    tag_list text[] NOT NULL,
    favorites_count integer NOT NULL CONSTRAINT ck_article_favorites_count CHECK (favorites_count >= 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
)
"""

_ARTICLE_INDEXES = (
    "CREATE UNIQUE INDEX uq_article_slug ON {schema}.article (slug)",
    "CREATE INDEX ix_article_created_at ON {schema}.article (created_at, id)",
    "CREATE INDEX ix_article_author_id ON {schema}.article (author_id, created_at, id)",
)

# With the article's own time: a list of one tag or one reader needs no look at any other article.
_TAG = """
CREATE TABLE {schema}.article_tag (
    article_id bigint NOT NULL
        CONSTRAINT fk_article_tag_article_id_article REFERENCES {schema}.article ON DELETE CASCADE,
    tag text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_article_tag PRIMARY KEY (article_id, tag)
)
"""

_FAVORITE = """
CREATE TABLE {schema}.favorite (
    article_id bigint NOT NULL
        CONSTRAINT fk_favorite_article_id_article REFERENCES {schema}.article ON DELETE CASCADE,
    reader_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_favorite PRIMARY KEY (article_id, reader_id)
)
"""

_COMMENT = """
CREATE TABLE {schema}.comment (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_comment PRIMARY KEY,
    article_id bigint NOT NULL
        CONSTRAINT fk_comment_article_id_article REFERENCES {schema}.article ON DELETE CASCADE,
    author_id text COLLATE "C" NOT NULL
        CONSTRAINT fk_comment_author_id_person REFERENCES {schema}.person,
    body text NOT NULL,
    created_at timestamptz NOT NULL
)
"""

_INDEXES = (
    "CREATE INDEX ix_article_tag_tag ON {schema}.article_tag (tag, created_at, article_id)",
    "CREATE INDEX ix_favorite_reader_id ON {schema}.favorite (reader_id, created_at, article_id)",
    "CREATE INDEX ix_comment_article_id ON {schema}.comment (article_id, id)",
)

_REQUEST = """
CREATE TABLE {schema}.rpc_request (
    id text CONSTRAINT pk_rpc_request PRIMARY KEY,
    is_answered boolean NOT NULL DEFAULT false,
    reply bytea,
    created_at timestamptz NOT NULL DEFAULT now()
)
"""

_REQUEST_AGE = """
CREATE INDEX ix_rpc_request_created_at ON {schema}.rpc_request (created_at)
"""


def upgrade() -> None:
    run(_PERSON, _NAME, _ARTICLE, *_ARTICLE_INDEXES)
    run(_TAG, _FAVORITE, _COMMENT, *_INDEXES, _REQUEST, _REQUEST_AGE)
