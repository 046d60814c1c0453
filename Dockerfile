# The image contains the files of the package and its dependencies.
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm pack \
    && tar --extract --gzip --file threadplane-*.tgz \
    && npm prune --omit=dev

FROM node:24-slim
ENV NODE_ENV=production
ENV THREADPLANE_DATA=/data
# In a container the server cannot listen on loopback only, because no port could be published. docker-compose.yml
# publishes the port on the loopback of the host. Do not publish it elsewhere: anybody who reaches it can do anything.
# The server answers only to known names in `Host`. Here these are loopback names and the name of the service in
# docker-compose.yml; set THREADPLANE_ALLOWED_HOSTS to others if clients use others.
ENV THREADPLANE_HOST=0.0.0.0 THREADPLANE_INSECURE=true THREADPLANE_ALLOWED_HOSTS=threadplane
WORKDIR /app
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/package ./
RUN install --directory --owner=node --group=node /data
VOLUME /data
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --retries=3 \
    CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.THREADPLANE_PORT ?? 8080}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1))"]
# PID 1 is the launcher: it passes signals on to the server, and starts the server again after a crash.
CMD ["node", "dist/src/main.js", "serve"]
