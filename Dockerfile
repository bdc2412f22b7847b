# A node in an image of its own: the static program and nothing else, not even a shell.
#
#   docker build -t skynode .
#   docker run -d --network host skynode

FROM rust:1-slim AS build
WORKDIR /sky
COPY . .
# Where Rust links with its own lld, equal functions are folded and relocations are packed: 0.1 MiB less.
RUN host=$(rustc --print host-tuple) && flags="-C target-feature=+crt-static" && \
    case $host in x86_64-unknown-linux-gnu) flags="$flags -C link-args=-Wl,--icf=all,-z,pack-relative-relocs" ;; esac && \
    RUSTFLAGS="$flags" cargo build --release --locked --bin skynode --target "$host" && \
    cp "target/$host/release/skynode" /skynode
# An empty directory.
WORKDIR /data

FROM scratch
COPY --from=build /skynode /skynode
# For what a node saves, if it is told to: -v somewhere:/data -e SKY_DATA=/data
COPY --from=build --chown=65534:65534 /data /data
# Nobody: a node needs no rights.
USER 65534:65534
# The default of --listen as a variable, since the health check sees variables and no arguments: another port for the
# whole container is another SKY_LISTEN, not -l.
ENV SKY_LISTEN=0.0.0.0:4321
EXPOSE 4321/udp 4321/tcp
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s CMD ["/skynode", "--check"]
ENTRYPOINT ["/skynode"]
