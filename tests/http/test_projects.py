"""Projects: one's own, shared ones, and the sessions in them."""
import uuid

import pytest

from people import person

PATH = "/api/v1/projects"


def one(project):
    return f"{PATH}/{project}"


def make(user, **fields):
    answer = user.post(PATH, {"name": "P", **fields})
    assert answer.status == 201, answer
    return answer.json["project_id"]


def names(user):
    return [project["name"] for project in user.get(PATH).json]


def invite(owner, project):
    answer = owner.post(one(project) + "/invitations")
    assert answer.status == 201, answer
    return answer.json


def join(owner, member, project):
    answer = member.post(PATH + "/join", {"invitation": invite(owner, project)["invitation"]})
    assert answer.status == 200, answer
    return answer.json


def test_a_project_is_answered_with_its_place(alice):
    answer = alice.post(PATH, {"name": "Ünï ☕", "description": "Many words\n"})
    assert answer.status == 201
    project = answer.json
    assert set(project) == {"project_id", "name", "description", "is_owner", "created_at", "updated_at"}
    assert answer.headers["Location"] == one(project["project_id"])
    assert (project["name"], project["description"], project["is_owner"]) == ("Ünï ☕", "Many words\n", True)
    assert uuid.UUID(project["project_id"]).version == 7
    listed = alice.get(PATH).json
    assert listed == [{name: project[name] for name in ("project_id", "name", "is_owner", "created_at")}]


def test_projects_are_listed_by_name(alice):
    for name in ("beta", "Alpha", "gamma", "alpha 2"):
        make(alice, name=name)
    assert names(alice) == ["Alpha", "alpha 2", "beta", "gamma"]


def test_only_what_a_change_names_changes(alice):
    project = make(alice, name="first", description="words")
    assert alice.patch(one(project), {"name": "second"}).json["description"] == "words"
    answer = alice.patch(one(project), {"description": None})
    assert (answer.status, answer.json["name"], answer.json["description"]) == (200, "second", None)
    assert alice.patch(one(project), {}).json["name"] == "second"
    assert names(alice) == ["second"]


@pytest.mark.parametrize("body, field", [
    ({}, "name"), ({"name": ""}, "name"), ({"name": None}, "name"), ({"name": "n" * 201}, "name"), ({"name": 1}, "name"),
    ({"name": "P", "description": "d" * 10001}, "description"), ({"name": "P", "description": []}, "description"),
], ids=lambda value: str(value)[:30])
def test_a_wrong_field_makes_no_project(alice, body, field):
    answer = alice.post(PATH, body)
    assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (400, [field])
    assert alice.get(PATH).json == []


def test_a_name_cannot_be_taken_away(alice):
    project = make(alice, name="first")
    for name in (None, "", 5):
        assert alice.patch(one(project), {"name": name}).status == 400
    assert names(alice) == ["first"]


def test_the_longest_description_is_taken(alice):
    assert alice.post(PATH, {"name": "n" * 200, "description": "☕" * 10000}).status == 201


def test_a_removed_project_leaves_its_sessions(alice):
    project, other = make(alice), make(alice, name="Q")
    session, elsewhere = alice.session(project_id=project, title="stays"), alice.session(project_id=other)
    assert alice.delete(one(project)).status == 204
    assert names(alice) == ["Q"]
    kept = alice.get(f"/api/v1/sessions/{session}").json
    assert (kept["title"], kept["project_id"]) == ("stays", None)
    assert alice.get(f"/api/v1/sessions/{elsewhere}").json["project_id"] == other
    assert alice.delete(one(project)).status == 404
    assert alice.post("/api/v1/sessions", {"project_id": project}).status == 404


def test_what_is_not_there_cannot_be_changed(alice):
    for bad in (str(uuid.uuid4()), "x", "1"):
        assert alice.patch(one(bad), {"name": "x"}).status == 404
        assert alice.delete(one(bad)).status == 404


def test_a_member_uses_a_project_and_cannot_change_it(alice, bob):
    project = make(alice, name="ours")
    join(alice, bob, project)
    assert [(p["name"], p["is_owner"]) for p in bob.get(PATH).json] == [("ours", False)]
    session = bob.session(project_id=project)
    assert bob.patch(one(project), {"name": "mine"}).problem == "project_not_found"
    assert names(bob) == names(alice) == ["ours"]
    assert alice.get(f"/api/v1/sessions?project_id={project}").json == []
    assert alice.get(f"/api/v1/sessions/{session}").status == 404
    assert len(bob.get(f"/api/v1/sessions?project_id={project}").json) == 1


def test_a_new_name_reaches_every_member(alice, bob):
    project = make(alice, name="old")
    join(alice, bob, project)
    alice.patch(one(project), {"name": "new"})
    assert names(bob) == ["new"]


def test_a_member_leaves_alone(alice, bob):
    project = make(alice, name="ours")
    join(alice, bob, project)
    session = bob.session(project_id=project)
    assert bob.delete(one(project)).status == 204
    assert (names(bob), names(alice)) == ([], ["ours"])
    assert bob.get(f"/api/v1/sessions/{session}").json["project_id"] is None


def test_the_owner_removes_it_for_all(alice, bob):
    project = make(alice, name="ours")
    join(alice, bob, project)
    session = bob.session(project_id=project)
    bob.say(session, "stays")
    assert alice.delete(one(project)).status == 204
    assert names(bob) == []
    kept = bob.get(f"/api/v1/sessions/{session}").json
    assert (kept["project_id"], kept["message_count"]) == (None, 1)


def test_an_owner_who_leaves_takes_the_project_along(parley, bob):
    owner = person(parley)
    project = make(owner, name="theirs")
    join(owner, bob, project)
    session = bob.session(project_id=project)
    assert owner.delete("/api/v1/users/me").status == 204
    assert names(bob) == []
    assert bob.get(f"/api/v1/sessions/{session}").json["project_id"] is None


def test_who_is_invited_may_join(alice, bob):
    project = make(alice, name="ours")
    invitation = invite(alice, project)
    assert set(invitation) == {"invitation", "project_id", "expires_at"} and invitation["project_id"] == project
    for _ in ("first", "again"):
        answer = bob.post(PATH + "/join", {"invitation": invitation["invitation"]})
        assert (answer.status, answer.json["project_id"], answer.json["name"], answer.json["is_owner"]) == (200, project, "ours", False)
    assert names(bob) == ["ours"]
    # The owner may follow it too, and stays what they are.
    assert alice.post(PATH + "/join", {"invitation": invitation["invitation"]}).json["is_owner"]


def test_only_the_owner_invites(alice, bob):
    project = make(alice)
    for stranger_or_member in ("stranger", "member"):
        assert bob.post(one(project) + "/invitations").problem == "project_not_found", stranger_or_member
        join(alice, bob, project)


def test_a_changed_or_foreign_invitation_is_none(parley, alice, bob):
    text = invite(alice, make(alice))["invitation"]
    for at in range(0, len(text), 7):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]
        answer = bob.post(PATH + "/join", {"invitation": changed})
        assert (answer.status, answer.json["errors"][0]["field"]) == (400, "invitation"), changed
    for wrong in ("", text[:-1], text + "A", alice.token, alice.refresh_token, 5, None, "\u2615" * 10):
        assert bob.post(PATH + "/join", {"invitation": wrong}).status == 400, wrong
    assert names(bob) == []
    assert parley.client.get(PATH, headers={"Authorization": "Bearer " + text}).status == 401


def test_an_invitation_to_what_is_gone_opens_nothing(alice, bob):
    project = make(alice)
    text = invite(alice, project)["invitation"]
    assert alice.delete(one(project)).status == 204
    assert bob.post(PATH + "/join", {"invitation": text}).problem == "project_not_found"


def test_members_are_seen_by_the_owner_and_themselves(parley, alice, bob):
    project, cy = make(alice), person(parley)
    join(alice, bob, project)
    join(alice, cy, project)
    seen = alice.get(one(project) + "/members").json
    assert [(member["user_id"], member["is_owner"]) for member in seen] == [
        (alice.user_id, True), (bob.user_id, False), (cy.user_id, False)]
    assert [member["user_id"] for member in bob.get(one(project) + "/members").json] == [bob.user_id]
    assert person(parley).get(one(project) + "/members").problem == "project_not_found"


def test_a_member_is_removed_by_the_owner_or_leaves(parley, alice, bob):
    project, cy = make(alice), person(parley)
    members = one(project) + "/members/"
    join(alice, bob, project)
    join(alice, cy, project)
    assert bob.delete(members + cy.user_id).problem == "member_not_found"
    assert bob.delete(members + alice.user_id).problem == "member_not_found"
    assert alice.delete(members + alice.user_id).problem == "member_not_found", "an owner removes the project, not themselves"
    assert alice.delete(members + bob.user_id).status == 204
    assert cy.delete(members + cy.user_id).status == 204
    assert (names(bob), names(cy), names(alice)) == ([], [], ["P"])
    assert bob.post("/api/v1/sessions", {"project_id": project}).status == 404


def test_who_was_removed_stays_out_until_invited_again(parley, alice, bob):
    project, cy = make(alice), person(parley)
    text = invite(alice, project)["invitation"]
    for member in bob, cy:
        assert member.post(PATH + "/join", {"invitation": text}).status == 200
    assert cy.delete(f"{one(project)}/members/{cy.user_id}").status == 204
    assert cy.post(PATH + "/join", {"invitation": text}).status == 200, "who left by themselves may come back"
    assert alice.delete(f"{one(project)}/members/{bob.user_id}").status == 204
    answer = bob.post(PATH + "/join", {"invitation": text})
    assert (answer.problem, names(bob)) == ("project_not_found", [])
    assert "has ended" in answer.json["detail"]
    assert names(cy) == ["P"], "the others stay"
    join(alice, bob, project)
    assert names(bob) == ["P"]
