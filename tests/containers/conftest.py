"""Images and an engine for the whole session; what they leave behind is removed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from engine import Compose, Images, build_images, engine, write_secrets

BUILDING_S = 1800
"""The first build fetches some hundred megabytes; nothing here is decided by it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test of this folder comes first waits for the images."""
    for item in items:
        if item.path.parent.name == "containers":
            item.add_marker(pytest.mark.timeout(BUILDING_S))


@pytest.fixture(scope="session")
def images() -> Iterator[Images]:
    with engine():
        yield build_images()


@pytest.fixture(scope="module")
def compose(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """The services of docker-compose.yml, none of them started; removed after the module."""
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    write_secrets(folder, secrets.token_urlsafe())
    name = f"tutor-test-{secrets.token_hex(4)}"
    project = Compose(name, folder, images.environment())
    try:
        yield project
    finally:
        project.down()
