"""The Helm chart: rendered and linted by helm where it is installed; what can be known without it is always checked."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rows import every

from identry import __version__
from identry.settings.model import Settings
from identry.settings.variables import variables_of

CHART = Path(__file__).parents[3] / "deploy/helm/identry"
TEMPLATES = sorted((CHART / "templates").glob("*.*"))
PEM = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
SECRETS = {
    "DATABASE_URL": "postgresql://u:p@db/auth",
    "REDIS_URL": "redis://r",
    "JWT_SIGNING_KEY_PEM": PEM,
    "SECRET_KEY": "0" * 40,
}
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
KNOWN = {variable.name for _, variable in variables_of(Settings)}


def defined(path: str) -> bool:
    """Whether `values.yaml` has a value at `a.b.c`."""
    value: Any = VALUES
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


@every("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_use_values_that_exist_and_close_what_they_open(template: Path) -> None:
    text = template.read_text()
    for path in re.findall(r"\.Values\.([A-Za-z0-9_.]+)", text):
        assert defined(path), path
    actions = re.findall(r"\{\{-?\s*(if|range|with|define|block|end)\b", text)
    assert len(actions) == 2 * actions.count("end")
    assert text.count("{{") == text.count("}}")


def test_every_value_is_used() -> None:
    text = "".join(template.read_text() for template in TEMPLATES)
    used = set(re.findall(r"\.Values\.([A-Za-z0-9_.]+)", text))

    def leaves(values: dict[str, Any], above: str = "") -> list[str]:
        found = []
        for name, value in values.items():
            path = f"{above}{name}"
            found += leaves(value, f"{path}.") if isinstance(value, dict) and value and path not in used else [path]
        return found

    for path in leaves(VALUES):
        assert any(path == u or u.startswith(f"{path}.") for u in used), path


def test_its_version_is_the_server_s() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__


def test_the_variables_it_sets_and_mentions_are_the_server_s() -> None:
    assert set(VALUES["config"]) <= KNOWN
    mentioned = set(re.findall(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b", (CHART / "values.yaml").read_text()))
    assert {name for name in mentioned if not name.endswith("_")} - KNOWN <= {"SES_AWS", "SES_AWS_"}


@pytest.fixture(scope="module")
def helm() -> str:
    program = shutil.which("helm")
    if program is None:
        pytest.skip("helm is not installed")
    return program


def call(helm: str, tmp_path: Path, *words: str, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    command = [helm, *words, "--values", str(tmp_path / "values.yaml"), "--kube-version", "1.30.0"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def render(helm: str, tmp_path: Path, **values: Any) -> dict[str, dict[str, Any]]:
    """Kind and name → object, of a release called `auth`."""
    given = {"secret": {"values": SECRETS}, **values}
    done = call(helm, tmp_path, "template", "auth", str(CHART), values=given)
    assert done.returncode == 0, done.stderr
    objects = [item for item in yaml.safe_load_all(done.stdout) if item]
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in objects}


EVERYTHING: dict[str, Any] = {
    "admin": {
        "enabled": True,
        "networkPolicy": {"enabled": True, "from": [{"podSelector": {"matchLabels": {"a": "b"}}}]},
    },
    "ingress": {"enabled": True, "className": "nginx", "tlsSecretName": "tls", "annotations": {"a": "b"}},
    "autoscaling": {"enabled": True},
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "imagePullSecrets": [{"name": "pull"}],
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 2}],
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "identity"},
    "service": {"annotations": {"a": "b"}},
    "serviceAccount": {"annotations": {"a": "b"}},
}


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_helm_finds_no_fault(helm: str, values: dict[str, Any], tmp_path: Path) -> None:
    done = call(helm, tmp_path, "lint", "--strict", str(CHART), values={"secret": {"values": SECRETS}, **values})
    assert done.returncode == 0, done.stdout


def test_by_default_it_makes_what_a_server_needs_and_no_more(helm: str, tmp_path: Path) -> None:
    assert set(render(helm, tmp_path)) == {
        "ConfigMap/auth-identry",
        "Secret/auth-identry",
        "Secret/auth-identry-migrate",
        "Job/auth-identry-migrate",
        "Deployment/auth-identry",
        "Service/auth-identry",
        "Service/auth-identry-metrics",
        "ServiceAccount/auth-identry",
        "PodDisruptionBudget/auth-identry",
    }


def test_pods_are_unprivileged_and_write_nowhere_but_tmp(helm: str, tmp_path: Path) -> None:
    objects = render(helm, tmp_path)
    for name in ("Deployment/auth-identry", "Job/auth-identry-migrate"):
        pod = objects[name]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 65532
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {mount["mountPath"] for mount in container.get("volumeMounts", [])} <= {"/tmp"}
        assert container["resources"]["limits"]["memory"]


def test_liveness_does_not_depend_on_the_databases(helm: str, tmp_path: Path) -> None:
    (container,) = render(helm, tmp_path)["Deployment/auth-identry"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["serve"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/health", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}
    assert container["startupProbe"]["httpGet"]["path"] == "/health"


def test_a_pod_is_given_longer_to_stop_than_it_takes(helm: str, tmp_path: Path) -> None:
    pod = render(helm, tmp_path)["Deployment/auth-identry"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > int(VALUES["config"]["SHUTDOWN_GRACE"].removesuffix("s"))


def test_migrations_run_before_with_the_one_secret_they_need(helm: str, tmp_path: Path) -> None:
    objects = render(helm, tmp_path)
    job, secret = objects["Job/auth-identry-migrate"], objects["Secret/auth-identry-migrate"]
    for item in (job, secret):
        assert item["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = [int(item["metadata"]["annotations"]["helm.sh/hook-weight"]) for item in (secret, job)]
    assert weights == sorted(weights)
    assert secret["stringData"] == {"DATABASE_URL": SECRETS["DATABASE_URL"]}
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["migrate", "up"]
    assert container["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "auth-identry-migrate", "key": "DATABASE_URL"}


def test_secrets_survive_as_they_are(helm: str, tmp_path: Path) -> None:
    assert render(helm, tmp_path)["Secret/auth-identry"]["stringData"] == SECRETS


def test_a_secret_of_one_s_own_is_used_and_none_is_made(helm: str, tmp_path: Path) -> None:
    objects = render(helm, tmp_path, secret={"existingSecret": "mine"})
    assert not [name for name in objects if name.startswith("Secret/")]
    (container,) = objects["Deployment/auth-identry"]["spec"]["template"]["spec"]["containers"]
    assert {"secretRef": {"name": "mine"}} in container["envFrom"]
    (migrate,) = objects["Job/auth-identry-migrate"]["spec"]["template"]["spec"]["containers"]
    assert migrate["env"][0]["valueFrom"]["secretKeyRef"]["name"] == "mine"


@pytest.mark.parametrize("missing", ["DATABASE_URL", "REDIS_URL", "JWT_SIGNING_KEY_PEM"])
def test_a_missing_secret_is_named(helm: str, missing: str, tmp_path: Path) -> None:
    given = {name: value for name, value in SECRETS.items() if name != missing}
    done = call(helm, tmp_path, "template", "auth", str(CHART), values={"secret": {"values": given}})
    assert done.returncode != 0
    assert f"secret.values.{missing} is required" in done.stderr


def test_the_public_service_does_not_show_metrics(helm: str, tmp_path: Path) -> None:
    objects = render(helm, tmp_path, **EVERYTHING)
    assert [port["name"] for port in objects["Service/auth-identry"]["spec"]["ports"]] == ["http"]
    backend = objects["Ingress/auth-identry"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    assert backend["service"] == {"name": "auth-identry", "port": {"name": "http"}}
    monitor = objects["ServiceMonitor/auth-identry"]["spec"]["selector"]["matchLabels"]
    assert monitor.items() <= objects["Service/auth-identry-metrics"]["metadata"]["labels"].items()
    assert not monitor.items() <= objects["Service/auth-identry"]["metadata"]["labels"].items()


def test_the_admin_port_is_on_a_pod_s_loopback_unless_it_is_asked_for(helm: str, tmp_path: Path) -> None:
    (container,) = render(helm, tmp_path)["Deployment/auth-identry"]["spec"]["template"]["spec"]["containers"]
    assert {port["name"] for port in container["ports"]} == {"http", "metrics"}
    assert not [variable for variable in container["env"] if variable["name"].startswith("ADMIN_")]


def test_the_admin_port_has_a_service_of_its_own_inside_the_cluster(helm: str, tmp_path: Path) -> None:
    objects = render(helm, tmp_path, **{**EVERYTHING, "service": {"type": "LoadBalancer"}})
    (container,) = objects["Deployment/auth-identry"]["spec"]["template"]["spec"]["containers"]
    assert {"name": "admin", "containerPort": 8081} in container["ports"]
    assert {"name": "ADMIN_BIND_HOST", "value": "0.0.0.0"} in container["env"]
    assert {"name": "ADMIN_PORT", "value": "8081"} in container["env"]
    service = objects["Service/auth-identry-admin"]["spec"]
    assert service["type"] == "ClusterIP"
    assert service["ports"] == [{"name": "admin", "port": 8081, "targetPort": "admin"}]
    assert [port["name"] for port in objects["Service/auth-identry"]["spec"]["ports"]] == ["http"]
    assert "admin" not in yaml.safe_dump(objects["Ingress/auth-identry"]["spec"])


def test_a_network_policy_lets_only_its_peers_to_the_admin_port(helm: str, tmp_path: Path) -> None:
    def rules(peers: list[Any]) -> list[dict[str, Any]]:
        admin = {"enabled": True, "networkPolicy": {"enabled": True, "from": peers}}
        found: list[dict[str, Any]] = render(helm, tmp_path, admin=admin)["NetworkPolicy/auth-identry"]["spec"][
            "ingress"
        ]
        return found

    everybody = {"ports": [{"port": "http"}, {"port": "metrics"}]}
    peer = {"podSelector": {"matchLabels": {"identry-admin": "true"}}}
    assert rules([]) == [everybody]
    assert rules([peer]) == [everybody, {"ports": [{"port": "admin"}], "from": [peer]}]


def test_with_autoscaling_the_number_of_pods_is_left_to_it(helm: str, tmp_path: Path) -> None:
    objects = render(helm, tmp_path, autoscaling={"enabled": True})
    assert "replicas" not in objects["Deployment/auth-identry"]["spec"]
    assert objects["HorizontalPodAutoscaler/auth-identry"]["spec"]["scaleTargetRef"]["name"] == "auth-identry"


def test_a_changed_configuration_restarts_the_pods(helm: str, tmp_path: Path) -> None:
    def stamps(**config: str) -> dict[str, str]:
        objects = render(helm, tmp_path, config=config)
        found: dict[str, str] = objects["Deployment/auth-identry"]["spec"]["template"]["metadata"]["annotations"]
        return found

    assert stamps(LOG_LEVEL="INFO")["checksum/config"] != stamps(LOG_LEVEL="DEBUG")["checksum/config"]


def test_without_metrics_the_port_is_closed(helm: str, tmp_path: Path) -> None:
    objects = render(helm, tmp_path, metrics={"enabled": False})
    assert "Service/auth-identry-metrics" not in objects
    (container,) = objects["Deployment/auth-identry"]["spec"]["template"]["spec"]["containers"]
    assert {"name": "METRICS_PORT", "value": "0"} in container["env"]
