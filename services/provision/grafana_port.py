"""The port is the only place that talks to Grafana: grafana-api beneath, one kind of error above.

Folders and dashboards go through the library's methods; data sources by uid and the provisioning of alerting, which it
does not have, through its raw verbs. An answer without a body, which the library takes for a fault, is a success.
"""

import json
from typing import Any, Self
from urllib.parse import quote, urlsplit

import requests
from grafana_api.grafana_api import GrafanaClientError, GrafanaException
from grafana_api.grafana_face import GrafanaFace

# A Grafana that has just started, or writes to a slow database, needs seconds for a dashboard.
ANSWER_S = 30.0
# Else the interface of Grafana would not let its users change what came this way.
_EDITABLE = {"X-Disable-Provenance": "true"}


class GrafanaError(Exception):
    """Grafana cannot be used, or refuses; the message says what was wrong and what to do.

    `code` is one of `bad_address unreachable no_answer bad_token forbidden not_grafana refused failed`; `status` is
    the HTTP status, 0 where there is none.
    """

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class GrafanaPort:
    """A Grafana at `address` (`http://HOST[:PORT][/PATH]`), used with a service account's token; use it in a `with`.

    Each call ends within `limit_s` seconds of silence, and raises GrafanaError.
    """

    def __init__(self, address: str, token: str, *, limit_s: float = ANSWER_S) -> None:
        url = urlsplit(address)
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
            raise GrafanaError("bad_address", f"QINGYU_GRAFANA is {address!r}: write http://HOST:PORT or https://HOST")
        self.address = address.rstrip("/")
        path = url.path.strip("/")
        self._face = GrafanaFace(
            auth=token,
            host=url.netloc.rpartition("@")[2],
            protocol=url.scheme,
            url_path_prefix=f"{path}/" if path else "",
            timeout=limit_s,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._face.api.s.close()

    def version(self) -> str:
        """Return Grafana's version; raise where this is no Grafana, or its database is away."""
        found = self.get("/health")
        if not isinstance(found, dict) or "database" not in found:
            raise GrafanaError("not_grafana", f"what answers at {self.address} is not Grafana")
        if found["database"] != "ok":
            raise GrafanaError("failed", f"the database of Grafana at {self.address} is {found['database']!r}")
        return str(found.get("version", ""))

    def folder(self, uid: str) -> dict[str, Any] | None:
        """Return a folder, None where there is none."""
        return self._found(self._face.folder.get_folder, uid)

    def make_folder(self, uid: str, title: str) -> None:
        """Make a folder."""
        self._asked(self._face.folder.create_folder, title, uid)

    def name_folder(self, uid: str, title: str) -> None:
        """Give a folder another title."""
        self._asked(self._face.folder.update_folder, uid, title, overwrite=True)

    def dashboard(self, uid: str) -> dict[str, Any] | None:
        """Return a dashboard and what Grafana says of it (`dashboard`, `meta`), None where there is none."""
        return self._found(self._face.dashboard.get_dashboard, uid)

    def save_dashboard(self, dashboard: dict[str, Any], folder_uid: str) -> None:
        """Save a dashboard over what is there under its uid."""
        body = {"dashboard": dashboard, "folderUid": folder_uid, "overwrite": True, "message": "qingyu dashboards push"}
        self._asked(self._face.dashboard.update_dashboard, body)

    def get(self, *path: str) -> Any:
        """Return what stands under a path below `/api`, None where nothing does; parts after the first are quoted."""
        return self._found(self._face.api.GET, _joined(path))

    def post(self, *path: str, body: Any) -> Any:
        """Make something; return the answer, None where it is empty."""
        return self._asked(self._face.api.POST, _joined(path), json=body, headers=_EDITABLE)

    def put(self, *path: str, body: Any) -> Any:
        """Replace something; return the answer, None where it is empty."""
        return self._asked(self._face.api.PUT, _joined(path), json=body, headers=_EDITABLE)

    def delete(self, *path: str) -> None:
        """Remove something; nothing happens where it is not there."""
        try:
            self._asked(self._face.api.DELETE, _joined(path), headers=_EDITABLE)
        except GrafanaError as error:
            if error.status != 404:
                raise

    def _found(self, call: Any, *arguments: Any) -> Any:
        try:
            return self._asked(call, *arguments)
        except GrafanaError as error:
            if error.status == 404:
                return None
            raise

    def _asked(self, call: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return call(*arguments, **options)
        except json.JSONDecodeError as error:
            # 202 and 204 come without a body; a proxy's page in the place of an answer is another matter.
            if not error.doc.strip():
                return None
            message = f"what answers at {self.address} is not Grafana: its answer is not JSON"
            raise GrafanaError("not_grafana", message) from error
        except GrafanaException as error:
            raise _refusal(self.address, error) from error
        except requests.Timeout as error:
            raise GrafanaError("no_answer", f"Grafana at {self.address} (QINGYU_GRAFANA) does not answer") from error
        except requests.ConnectionError as error:
            message = f"Grafana at {self.address} (QINGYU_GRAFANA) cannot be reached: is it running?"
            raise GrafanaError("unreachable", message) from error
        except TypeError as error:
            # The library looks for a message in an answer that is no object.
            message = f"what answers at {self.address} is not Grafana: its refusal is not JSON"
            raise GrafanaError("not_grafana", message) from error
        except (requests.RequestException, ValueError) as error:
            message = f"Grafana at {self.address} (QINGYU_GRAFANA) cannot be asked: {' '.join(str(error).split())}"
            raise GrafanaError("bad_address", message) from error


def _refusal(address: str, error: GrafanaException) -> GrafanaError:
    status = int(error.status_code)
    said = " ".join(str(_message(error)).split())
    if status == 401:
        return GrafanaError("bad_token", f"Grafana at {address} does not know the token of QINGYU_GRAFANA_TOKEN", 401)
    if status == 403:
        message = (
            f"Grafana refuses: {said}. The token's service account needs the role Admin for data sources, Editor for"
            " the rest"
        )
        return GrafanaError("forbidden", message, status)
    kind = "refused" if isinstance(error, GrafanaClientError) else "failed"
    return GrafanaError(kind, f"Grafana answered {status}: {said}", status)


def _message(error: GrafanaException) -> Any:
    answer = error.response
    return answer.get("message") or answer if isinstance(answer, dict) else answer or error.message


def _joined(path: tuple[str, ...]) -> str:
    first, *rest = path
    return first + "".join("/" + quote(part, safe="") for part in rest)
