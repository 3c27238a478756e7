from __future__ import annotations

from django.test import Client


def test_pages_allow_nothing_from_elsewhere_and_no_inline_code(client: Client) -> None:
    response = client.get("/admin/login/")

    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self';" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_swagger_page_has_a_policy_of_its_own(client: Client) -> None:
    response = client.get("/api/docs")

    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    )


def test_the_swagger_page_has_no_inline_script(client: Client) -> None:
    page = client.get("/api/docs").content.decode()

    assert page.count("<script") == page.count("<script src=") > 0
