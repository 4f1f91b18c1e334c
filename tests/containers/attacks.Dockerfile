# The worker's image with the attack suite in it.
ARG IMAGE
FROM ${IMAGE}
USER root
COPY wheels /tmp/wheels
RUN python -m pip install --quiet --disable-pip-version-check --no-index --find-links /tmp/wheels \
        pytest pytest-asyncio pytest-timeout psutil \
    && rm -r /tmp/wheels
COPY pyproject.toml /attacks/
COPY attacks /attacks/tests/attacks
USER tutor
WORKDIR /attacks
ENTRYPOINT ["python"]
