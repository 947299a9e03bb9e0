"""What `status` shows of a server that is somebody else's."""

import pytest

from devservices import status


@pytest.mark.parametrize("encoded", ["hunter%402", "", "a:b"])
def test_of_an_address_the_hosts_are_shown(encoded: str) -> None:
    """They tell which server it is."""
    shown = status._without_secret(f"postgresql://u:{encoded}@db-1:5432,db-2/orders?sslmode=require")
    assert shown == "db-1:5432,db-2"


@pytest.mark.parametrize("password", ["hunter@ter", "hun/ter", "hun?ter", "hun#ter"])
def test_a_password_that_is_not_encoded_is_not_taken_for_a_host(password: str) -> None:
    """A piece of it would be shown."""
    shown = status._without_secret(f"postgresql://u:{password}@h:5432/orders")
    assert "hun" not in shown
    assert "ter" not in shown.replace("characters", "")
