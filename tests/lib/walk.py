"""Walking over `parley routes`: how to make what a route's path names, and a body that the route takes.

A new route with an id in its path fails the walks until MAKERS knows how a person gets such an id.
"""
import uuid

from people import person as quick

PARAMETER = "{id}"

# The path up to a parameter -> what the parameter names.
MAKERS = {
    "/api/v1/sessions/{id}": "session",
    "/api/v1/sessions/{id}/messages/{id}": "message",
    "/api/v1/projects/{id}": "project",
    "/api/chat/sessions/{id}": "session",
    "/api/v1/projects/{id}/members/{id}": "member",
}

# A body that is good, where the route needs one. {word} is an id of that person's.
BODIES = {
    ("POST", "/api/v1/auth/signup"): {"email": "a.new.person@example.org", "password": "long enough"},
    ("POST", "/api/v1/users"): {"email": "a.new.person@example.org", "password": "long enough"},
    ("POST", "/api/v1/auth/login"): {"email": "unknown@example.org", "password": "long enough"},
    ("POST", "/api/v1/auth/refresh"): {"refresh_token": "none"},
    ("POST", "/api/v1/auth/logout"): {"refresh_token": "none"},
    ("POST", "/api/v1/auth/password"): {"current_password": "wrong password", "new_password": "another password"},
    ("PATCH", "/api/v1/users/me"): {"display_name": "Somebody"},
    ("POST", "/api/v1/sessions"): {"title": "A title"},
    ("PATCH", "/api/v1/sessions/{id}"): {"title": "Another title", "is_active": False},
    ("PUT", "/api/v1/sessions/{id}/title"): {"title": "Another title"},
    ("PUT", "/api/v1/sessions/{id}/active"): {"message_id": "{message}"},
    ("POST", "/api/v1/sessions/{id}/messages"): {"role": "user", "content": "Words"},
    ("POST", "/api/v1/chat"): {"text": "Words", "session_id": "{session}"},
    ("POST", "/api/v1/sessions/{id}/messages/{id}/regenerate"): {"model": "another"},
    ("POST", "/api/v1/chat/session"): {"messages": [{"role": "user", "content": "Words"}]},
    ("POST", "/api/chat/sessions"): {"title": "A title", "projectId": "{project}"},
    ("DELETE", "/api/chat/sessions"): {"id": "{session}"},
    ("POST", "/api/chat/sessions/{id}/messages"): {"role": "user", "content": "Words"},
    ("POST", "/api/chat"): {"message": "Words", "threadId": "{session}"},
    ("POST", "/api/v1/projects"): {"name": "A project"},
    ("PATCH", "/api/v1/projects/{id}"): {"name": "Another name"},
    ("POST", "/api/v1/projects/join"): {"invitation": "none"},
    ("POST", "/chat"): {"message": "Words", "thread_id": "{session}"},
    ("POST", "/chat/stream"): {"message": "Words", "thread_id": "{session}"},
}


def belongings(parley, person):
    """A session, a message in it, a project and a member of it, all of this person, by what MAKERS calls them."""
    project = person.post("/api/v1/projects", {"name": "Theirs"})
    assert project.status == 201, project
    project = project.json["project_id"]
    session = person.session(title="Theirs", project_id=project)
    return {"session": session, "message": person.say(session, "Theirs")["message_id"], "project": project,
            "member": share(person, quick(parley), project)}


def share(owner, member, project):
    """Makes somebody a member of the owner's project; answers who."""
    invitation = owner.post(f"/api/v1/projects/{project}/invitations")
    assert invitation.status == 201, invitation
    joined = member.post("/api/v1/projects/join", {"invitation": invitation.json["invitation"]})
    assert joined.status == 200, joined
    return member.user_id


def absent():
    """Ids of the right form that nobody has."""
    return {name: str(uuid.uuid4()) for name in ("session", "message", "project", "member")}


def has_parameter(path):
    return "{" in path


def fill(path, ids):
    """The path with ids for its parameters; a KeyError names a parameter that MAKERS does not know."""
    while has_parameter(path):
        end = path.index("}") + 1
        name = MAKERS[_template(path[:end])]
        path = path[:path.index("{")] + ids[name] + path[end:]
    return path


def body(method, path, ids):
    """The good body of a route, or None."""
    template = BODIES.get((method, path))
    if template is None:
        return None
    return {key: ids[value[1:-1]] if isinstance(value, str) and value[:1] == "{" else value
            for key, value in template.items()}


def _template(path):
    """The path with {id} again in the place of ids that were filled in before."""
    segments = path.split("/")
    return "/".join(PARAMETER if len(word) == 36 and word.count("-") == 4 else word for word in segments)
