# dynptr-harness and its dependencies, for any Linux with a container engine; see docs/containers.md.
#
# The build is reproducible: it removes build times and apt's own records.

# Debian 13. A digest (debian@sha256:...) pins it.
ARG BASE=debian:trixie-slim
# Time of all files, in seconds since 1970.
ARG SOURCE_DATE_EPOCH=0

FROM ${BASE} AS system
ARG SOURCE_DATE_EPOCH
ARG DYNPTR_HARNESS_MIRROR
COPY provision/install provision/packages.txt /usr/local/lib/provision/
RUN begin=$(date +%s) \
    && /usr/local/lib/provision/install tool image vm \
    && install -d -o 65532 -g 65532 /cache \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/cache/ldconfig/* /var/log/*.log \
        /var/log/apt /etc/*- /tmp/* \
    && find / -xdev -newermt "@${begin}" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM system AS build
ARG PIP_INDEX_URL
ARG SOURCE_DATE_EPOCH
ENV PIP_NO_COMPILE=1
WORKDIR /src
COPY provision/tool provision/tool
COPY requirements-tool.lock ./
RUN provision/tool /opt/dynptr-harness dependencies
COPY LICENSE README.md pyproject.toml ./
COPY bpf_src bpf_src
COPY harness harness
RUN provision/tool /opt/dynptr-harness command \
    && /opt/dynptr-harness/bin/pip uninstall --quiet --yes hatchling pip \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/dynptr-harness/lib \
    && find /opt -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM system
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="dynptr-harness" \
    org.opencontainers.image.description="Does a Linux kernel implement bpf_ringbuf_reserve_dynptr correctly?" \
    org.opencontainers.image.licenses="MIT AND (MIT OR GPL-2.0-only)" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/dynptr-harness /opt/dynptr-harness
ENV PATH=/opt/dynptr-harness/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/cache \
    DYNPTR_HARNESS_CACHE=/cache
USER 65532:65532
WORKDIR /cache
VOLUME /cache
# For containers that are kept running: the command still starts.
HEALTHCHECK --interval=60s --timeout=10s CMD ["dynptr-harness", "--version"]
ENTRYPOINT ["dynptr-harness"]
CMD ["run"]
