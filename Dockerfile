# One image for all parts; docker-compose.yml says which part a container plays.
FROM python:3.13-slim AS build
WORKDIR /srv
RUN python -m venv /srv/.venv
COPY requirements.txt .
RUN /srv/.venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
COPY pyproject.toml requirements.in worker.py wsgi.py ./
COPY emails emails
COPY newsletter newsletter
RUN /srv/.venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e . \
    && find newsletter/translations -name '*.po' -execdir /srv/.venv/bin/pybabel compile -i '{}' -o messages.mo ';' \
    && /srv/.venv/bin/python -m compileall -q newsletter

FROM python:3.13-slim
ENV PATH=/srv/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NEWSLETTER_INSTANCE_PATH=/tmp/instance
WORKDIR /srv
COPY --from=build /srv /srv
USER nobody
EXPOSE 8000
# No access log: the addresses asked for contain readers' tokens. No warnings: they name IP addresses.
CMD ["gunicorn", "--bind=0.0.0.0:8000", "--worker-class=newsletter.run.web.Worker", "--workers=2", \
     "--threads=32", "--worker-tmp-dir=/dev/shm", "--no-control-socket", "--log-level=error", \
     "--forwarded-allow-ips=", "wsgi:app"]
