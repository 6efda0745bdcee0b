# docker build -t watchbell .
#
# Pages, styles and migrations are inside the program, so the image is the program alone, on a base
# of 24 MB with glibc and the CA certificates. No shell, no package manager, not root.

FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive a build: after a change only our own code is compiled again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release \
    && install -D target/release/watchbell /image/watchbell \
    && mkdir /image/data

# Debian 12, as above, so that the glibc is the same.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image/watchbell /usr/local/bin/watchbell
# An empty folder of the user that runs, so that a new volume here belongs to that user too.
COPY --from=build --chown=65532:65532 /image/data /data

# A quarter less memory with 10,000 monitors: threads share the heaps of the C library (docs/benchmarks.md).
ENV MALLOC_ARENA_MAX=2 \
    WATCHBELL_LISTEN=0.0.0.0:8080 \
    WATCHBELL_DATABASE_URL=sqlite:///data/watchbell.db
WORKDIR /data
VOLUME /data
EXPOSE 8080
USER 65532:65532

# There is no curl here: Watchbell checks itself, also where WATCHBELL_EGRESS_DENY has loopback. With
# another port in WATCHBELL_LISTEN, give `docker run` a --health-cmd with that port.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s \
    CMD ["/usr/local/bin/watchbell", "check", "--egress-allow", "loopback", \
         "http://127.0.0.1:8080/healthz"]

ENTRYPOINT ["/usr/local/bin/watchbell"]
CMD ["serve"]
