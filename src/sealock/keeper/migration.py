"""Seals the keys of projects from before there were key sets to their projects' key sets."""

from __future__ import annotations

from dataclasses import replace

from sealock.core.keys import Opener
from sealock.core.project import Project, Projects, SealedKey, owner_of, ssh_key_name
from sealock.core.sealed import PublicKeys
from sealock.keeper.sealing import seal


def old_projects(projects: Projects) -> list[Project]:
    """Those whose key is sealed the old way."""
    return [project for project in projects.all() if isinstance(project.sealed_key, SealedKey)]


def migrate(projects: Projects, opener: Opener, public_keys: PublicKeys) -> list[str]:
    """Seal every such key anew; the names of the projects. Each is the same key with the same version, and
    its record changes in one step: killed in between, the rest is done the next time. PermanentError for
    one that does not open, UsageError if it was changed meanwhile; the others before it are done."""
    done = []
    for project in old_projects(projects):
        name = ssh_key_name(project.id, project.name, project.sealed_key.version)
        with opener.open_key(project) as private:
            sealed = seal(name, private, public_keys.public_key(owner_of(project.id)))
        projects.replace(replace(project, sealed_key=sealed))
        done.append(project.name)
    return done
