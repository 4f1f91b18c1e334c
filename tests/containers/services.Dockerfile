# Redis and PostgreSQL from Debian's packages, for tests on machines that cannot pull images. They
# take the users, folders and variables of the official images, as far as docker-compose.yml uses them.
ARG BASE
FROM ${BASE} AS packages
RUN mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql redis-server \
    && ln -s /usr/lib/postgresql/*/bin /usr/lib/postgresql/bin \
    && install -d -o redis -g redis /data \
    && install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data \
    && install -d -o postgres -g postgres -m 3777 /run/postgresql
ENV PATH=/usr/lib/postgresql/bin:$PATH PGDATA=/var/lib/postgresql/data

FROM packages AS redis
VOLUME /data

FROM packages AS postgres
COPY postgres.sh /usr/local/bin/
VOLUME /var/lib/postgresql/data
CMD ["postgres.sh"]
