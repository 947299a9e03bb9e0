"""What `run` shows of the Member API: a member, and the product that it sells."""

import shlex
from collections.abc import Mapping
from typing import Any

from devservices.errors import JourneyError
from devservices.run.children import Children
from devservices.run.http import call

MEMBER, PRODUCT = "m-1", "p-1"
_NAMES = {"firstName": "Gildong", "lastName": "Hong"}
_OTHER_NAMES = '{"firstName":"Grace","lastName":"Hopper"}'
_SELLER_SECONDS = 30.0


class MemberExample:
    """See offered.Example."""

    def introduce(self, url: str, api: str, token: str, children: Children) -> list[str]:
        """Make the member, and wait until the shop's copy knows it."""
        put = call("PUT", f"{url}/users/{MEMBER}", token=token, content=_NAMES)
        if put.status not in {200, 201}:
            raise JourneyError(f"The member {MEMBER} was not taken ({put.status}): {put.body}")
        looks = [f"  curl {url}/users/{MEMBER}", f"  curl {api}/products/{PRODUCT}"]
        if not _seller(api):
            return [f"Product {PRODUCT} has no seller: an earlier build has filled this shop.", *looks]
        if not children.wait_until(lambda: _is_copied(api), within_seconds=_SELLER_SECONDS):
            raise JourneyError(f"The shop's copy does not know {MEMBER}: read the worker's log.")
        seller = _seller(api)
        told = f"{seller['name']} (source {seller['source']}, as of {seller['asOf']})"
        return [f"The seller of product {PRODUCT} is {told}:", *looks]

    def commands(self, url: str, api: str) -> list[str]:
        """Another name for the member, and where the shop shows it."""
        body = f"-H 'Content-Type: application/json' -d {shlex.quote(_OTHER_NAMES)}"
        return [
            f"Give the seller of product {PRODUCT} another name, and see it there:",
            f'  curl -i -X PUT -H "$TOKEN" {body} {url}/users/{MEMBER}',
            f"  curl {api}/products/{PRODUCT}",
        ]


def _is_copied(api: str) -> bool:
    return _seller(api).get("source") == "replica"


def _seller(api: str) -> Mapping[str, Any]:
    answer = call("GET", f"{api}/products/{PRODUCT}")
    return (answer.body.get("seller") if answer.status == 200 else None) or {}
