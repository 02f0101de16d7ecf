# Two stages: everything is compiled in the first; the second has the binary, PostgreSQL's client
# libraries and the certificates it trusts, and runs as nobody in particular.
FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential cmake libssl-dev perl pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ENV SQLX_OFFLINE=true
RUN cargo build --release --locked --bin forecourt && strip target/release/forecourt

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/forecourt --create-home forecourt
COPY --from=build /src/target/release/forecourt /usr/local/bin/forecourt
COPY LICENSE NOTICE /usr/share/doc/forecourt/
USER 10001
ENV FORECOURT_DATA_DIR=/var/lib/forecourt FORECOURT_LISTEN=0.0.0.0:8080
VOLUME /var/lib/forecourt
EXPOSE 8080
ENTRYPOINT ["forecourt"]
CMD ["up"]
