# Workers and scheduler of a Dask cluster that transcribes, see docs/cluster.md. Run "make build" first.
FROM python:3.12.11-slim-bookworm AS build
COPY requirements.lock dist/*.whl /build/
# Every version is that of the lock. Its hashes cannot be asked for, as our own wheels have none in it.
RUN sed -E 's/ \\$//; /--hash=/d' /build/requirements.lock > /build/versions.txt \
    && python -m venv /opt/whisperctl \
    && /opt/whisperctl/bin/python -m pip install --no-cache-dir --only-binary :all: \
        --constraint /build/versions.txt /build/*.whl

FROM python:3.12.11-slim-bookworm
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin whisperctl
COPY --from=build /opt/whisperctl /opt/whisperctl
ENV PATH=/opt/whisperctl/bin:$PATH
USER 10001:10001
WORKDIR /home/whisperctl
CMD ["dask", "worker", "--help"]
