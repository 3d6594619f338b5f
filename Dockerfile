FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir uv==0.13.9
COPY requirements.lock ./
# The lock holds the tools of development too; only what `mirepoix` needs is kept.
COPY pyproject.toml README.md LICENSE ./
COPY mirepoix ./mirepoix
COPY pipelines ./pipelines
COPY db ./db
COPY tasks ./tasks
COPY workers ./workers
COPY web ./web
COPY cli ./cli
COPY emulator ./emulator
COPY examples ./examples
RUN /venv/bin/uv pip install --no-cache --python /venv/bin/python --constraint requirements.lock . \
    && /venv/bin/uv pip uninstall --python /venv/bin/python uv

FROM python:3.12-slim
RUN useradd --create-home --uid 1000 mirepoix && install -d -o mirepoix /var/lib/mirepoix
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER mirepoix
WORKDIR /home/mirepoix
ENTRYPOINT ["mirepoix"]
CMD ["--help"]
