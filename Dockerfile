# syntax=docker/dockerfile:1

# The image of chatkitd: one static program, the authorities of TLS, and an empty data folder. No shell, no package manager.
#
#   docker build --build-arg VERSION="$(git describe --tags --always --dirty)" -t chatkitd .
#   docker run --rm -p 127.0.0.1:8000:8000 -v chatkitd:/var/lib/chatkitd -e ENVIRONMENT=development chatkitd
#
# Neither ENVIRONMENT nor a key is set here: in development anyone is whoever they say, which nobody should get by default.

FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOTOOLCHAIN=local
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=development
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/chatkitd ./cmd/chatkitd \
 && mkdir /out/lib && mkdir -m 0700 /out/lib/chatkitd

FROM scratch
WORKDIR /var/lib
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/chatkitd /chatkitd
# The data folder, mode 0700; a new volume takes over its owner and mode.
COPY --from=build --chown=65532:65532 /out/lib .
USER 65532:65532
ENV CHATKITD_LISTEN=0.0.0.0:8000 CHATKITD_DATA=/var/lib/chatkitd
# There is no /tmp: what SQLite sorts on disk it sorts in the working folder, where there is room.
WORKDIR /var/lib/chatkitd
VOLUME /var/lib/chatkitd
EXPOSE 8000
STOPSIGNAL SIGTERM
# It is not ready before the read models have caught up with the log.
HEALTHCHECK --interval=5s --timeout=5s --start-period=2m --retries=3 CMD ["/chatkitd", "health"]
ENTRYPOINT ["/chatkitd"]
CMD ["serve"]
