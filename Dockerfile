# The image contains the files of the package and its dependencies.
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# The dependencies of the image are ready before the source is copied: a change of the source installs nothing again, and
# changes only the last layer of the image. The image has the driver of PostgreSQL too, for THREADPLANE_DATABASE_URL, which
# is loaded only with that setting. Of the package with SQLite it has only the binary for its own platform.
RUN npm ci \
    && cp --recursive . /production \
    && cd /production \
    && npm pkg set dependencies.pg="$(node --print 'require("./package.json").peerDependencies.pg')" \
    && npm pkg delete devDependencies.pg \
    && npm prune --omit=dev \
    && cd node_modules/@photostructure/sqlite \
    && rm -r src \
    && find prebuilds -mindepth 1 -maxdepth 1 -type d ! -name "linux-$(node --print process.arch)" -exec rm -r {} +
COPY . .
RUN npm pack \
    && tar --extract --gzip --file threadplane-*.tgz \
    && chmod +x package/dist/src/main.js

FROM node:24-slim
ENV NODE_ENV=production
ENV THREADPLANE_DATA=/data
# In a container the server cannot listen on loopback only, because no port could be published. So it asks for a token.
# The first start makes one for the administrator, in this file, if THREADPLANE_ADMIN_TOKEN is not set:
#   docker compose exec threadplane cat /data/admin-token
ENV THREADPLANE_HOST=0.0.0.0 THREADPLANE_ADMIN_TOKEN_FILE=/data/admin-token
WORKDIR /app
# So `docker compose exec threadplane threadplane token list` works. Images that are built on this one put their modules in
# /services; several nodes share the tokens in /tokens.
RUN ln --symbolic /app/dist/src/main.js /usr/local/bin/threadplane \
    && install --directory --owner=node --group=node /data /services /tokens
COPY --from=build /production/node_modules ./node_modules
COPY --from=build /build/package ./
VOLUME /data
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --retries=3 \
    CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.THREADPLANE_PORT ?? 8080}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1))"]
# PID 1 is the launcher: it passes signals on to the server, and starts the server again after a crash.
CMD ["node", "dist/src/main.js", "serve"]
