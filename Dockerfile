# One image for the API (`python -m app`), the worker (`python -m worker`), the Member API (`python -m
# services.members`), the sales (`python -m services.sales`), conduit (`python -m conduit ROLE`), their migrations and the
# reference data platform (`python -m devservices.data_platform`).
# Digests are those of the images for all architectures; change them together with their tags.
FROM python:3.13-slim@sha256:8d9d0b8bcf6506481eae4907c18f5e3e7902e629f5f6d684f9e7c32e85e3ddf0 AS packages
# For the stream of the sales alone: requirements-sales.lock.
ARG PACKAGES=requirements.lock
COPY requirements.lock requirements-sales.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
        -r ${PACKAGES}

FROM python:3.13-slim@sha256:8d9d0b8bcf6506481eae4907c18f5e3e7902e629f5f6d684f9e7c32e85e3ddf0
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin pipeline
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv
COPY alembic.ini pyproject.toml ./
COPY app app
COPY worker worker
COPY services services
COPY conduit conduit
COPY contracts contracts
COPY kits kits
COPY migrations migrations
COPY devservices devservices
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# Where a volume for conduit's keys begins as this user's.
RUN install -d -o pipeline -m 0755 /keys
USER 10001
# The shop; the worker's probes and metrics; the API's; the Member API, and its; the sales, theirs, and their
# stream's; conduit's gateway, and the probes of its four processes (all on 127.0.0.1 unless set otherwise).
EXPOSE 8000 8001 8003 8010 8011 8020 8021 8022 8030 8031 8032 8033 8034
STOPSIGNAL SIGTERM
CMD ["python", "-m", "app"]
