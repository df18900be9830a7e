# SPDX-License-Identifier: Apache-2.0
"""Which packages a run will install on a host, so that this can be tried beforehand."""

from __future__ import annotations

import os
import shutil
from typing import Any, List, Mapping, Optional, Tuple

from ..docker_installation import Plan, missing
from .apt_state_probe import Installation

_SYSTEM_PROGRAMS = "/usr/sbin:/sbin"


def coming_installations(
    plan: Optional[Plan], kind: str, installed: Mapping[str, str], params: Mapping[str, Any]
) -> Tuple[List[Installation], bool]:
    """The installations from the host's own sources, and whether there are any from sources that the run will add.

    Args:
        plan: for Docker; None where its Docker can't be used.
        kind: of the Docker that was found.
        installed: packages of the host and their versions.
        params: those of the module host_survey.
    """
    found: List[Installation] = []
    others = False
    pins = {name: str(version) for name, version in params["docker_package_versions"].items() if version}
    lacking = missing(plan.packages, dict(installed), pins) if plan else []
    if plan and lacking and plan.source == "distribution":
        # As in the docker role: with a Docker that is kept, no package may be removed.
        removals = not (params["docker_source"] == "auto" and kind != "none")
        found.append(Installation(tuple(lacking), {"removals": removals}))
    elif lacking:
        others = True
    path = "{0}:{1}".format(os.environ.get("PATH", ""), _SYSTEM_PROGRAMS)
    for package in params["packages"]:
        if shutil.which(package["program"], path=path):
            continue
        if package["names"]:
            found.append(Installation(tuple(package["names"])))
        else:
            others = True
    return found, others
