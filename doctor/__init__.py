"""The engine doctor: finds known faults of the engines and their host, cures them, proves the cure.

Standard library only and Python 3.8 syntax: the package runs on the GPU host, inside the Ansible module
``engine_doctor`` and as the program ``twinport-doctor``. Data flows one way::

    probes (bytes) -> log_matcher (matches) -> diagnosis (findings) -> treatment (actions) -> report (JSON, table)

What is known about faults lives in ``known_errors.yml``; the code knows only how to look and the
handful of remedy kinds.
"""
