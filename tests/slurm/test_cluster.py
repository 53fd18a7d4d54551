"""A cluster of our own does what the clusters of users do, and Snakemake can use it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import ACCOUNT, IN_A_HURRY, Cluster, ClusterError

pytestmark = pytest.mark.slurm

ALLOCATE = f"{sys.executable} -c 'import time; held = bytes([1]) * {{size}}; time.sleep(2)'"
UNTIL_GO = "until [ -e go ]; do sleep 0.2; done"
ONLY_AGAIN = "echo ${SLURM_RESTART_COUNT:-0}; [ $SLURM_RESTART_COUNT ] || sleep 600"
SNAKEFILE = """
rule all:
    input: "copied.txt", "hungry.txt"

rule on_gpu:
    output: "gpu.txt"
    resources: gpu=1, slurm_partition="gpu"
    shell: "echo GPU $CUDA_VISIBLE_DEVICES on $SLURMD_NODENAME > {output}"

rule hungry:
    output: "hungry.txt"
    resources: mem_mb=lambda wildcards, attempt: 400 * attempt
    shell: "echo {resources.mem_mb} MB >> attempts.log; ALLOCATE; cp attempts.log {output}"

rule copy:
    input: "gpu.txt"
    output: "copied.txt"
    shell: "cp {input} {output}"
""".replace("ALLOCATE", ALLOCATE.format(size=500_000_000))


@pytest.fixture(scope="module", autouse=True)
def endless(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A job whose time is up; slurmctld looks for such every 30 s, while other tests run."""
    job = cluster.submit("sleep 600", "--time=1", folder=tmp_path_factory.mktemp("endless"))
    cluster.wait_for_job(job, "RUNNING")
    # A minute is the shortest limit of sbatch.
    end = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 2))
    cluster.run("scontrol", "update", f"jobid={job}", f"endtime={end}")
    return job


def test_job_completes(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.submit("echo $SLURM_JOB_ACCOUNT > account.txt", folder=tmp_path)
    assert cluster.wait_for_job(job, "COMPLETED", "FAILED") == "COMPLETED"
    assert (tmp_path / "account.txt").read_text() == f"{ACCOUNT}\n"


def test_account_must_exist(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="Invalid account"):
        cluster.submit("true", "--account=nobody", folder=tmp_path)


def test_gpus_are_given_to_one_job_at_a_time(cluster: Cluster, tmp_path: Path) -> None:
    show = "echo $CUDA_VISIBLE_DEVICES $SLURM_JOB_GPUS $SLURMD_NODENAME"
    options = ("--partition=gpu", "--gres=gpu:2")
    first = cluster.submit(f"{show}; {UNTIL_GO}", *options, folder=tmp_path)
    cluster.wait_for_job(first, "RUNNING")
    second = cluster.submit(show, *options, folder=tmp_path)
    ask = ("squeue", "--noheader", "--format=%T %r", "--jobs", second)
    waits = "PENDING Resources\n"
    cluster.wait(lambda: cluster.run(*ask) == waits, f"job {second}", "slurmctld")
    (tmp_path / "go").touch()
    for job in (first, second):
        assert cluster.wait_for_job(job, "COMPLETED", "FAILED") == "COMPLETED"
        assert (tmp_path / f"{job}.log").read_text() == "0,1 0,1 gpu1\n"


def test_gpu_is_only_where_there_is_one(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="not available"):
        cluster.submit("true", "--partition=cpu", "--gpus=1", folder=tmp_path)


def test_job_above_its_memory_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.submit(ALLOCATE.format(size=300_000_000), "--mem=100", folder=tmp_path)
    state = cluster.wait_for_job(job, "COMPLETED", "FAILED", "OUT_OF_MEMORY")
    assert state in ("FAILED", "OUT_OF_MEMORY")
    assert "exceeded memory limit" in (tmp_path / f"{job}.log").read_text()


def test_restart_of_slurmctld_loses_no_job(cluster: Cluster, tmp_path: Path) -> None:
    script = f"echo started; {UNTIL_GO}; echo ended"
    running = cluster.submit(script, folder=tmp_path)
    waiting = cluster.submit("echo waited", f"--dependency=afterok:{running}", folder=tmp_path)
    cluster.wait_for_job(running, "RUNNING")
    cluster.restart_slurmctld()
    assert cluster.job_state(running) == "RUNNING"
    (tmp_path / "go").touch()
    for job, said in ((running, "started\nended\n"), (waiting, "waited\n")):
        assert cluster.wait_for_job(job, "COMPLETED", "FAILED") == "COMPLETED"
        assert (tmp_path / f"{job}.log").read_text() == said


def test_jobs_start_again_after_a_requeue_or_the_loss_of_their_node(
    cluster: Cluster, tmp_path: Path
) -> None:
    requeued = cluster.submit(ONLY_AGAIN, folder=tmp_path)
    lost = cluster.submit(ONLY_AGAIN, "--partition=gpu", folder=tmp_path)
    for job in (requeued, lost):
        cluster.wait_for_job(job, "RUNNING")
    cluster.run("scontrol", "requeue", requeued)
    cluster.set_down("gpu1")
    cluster.wait_for_job(requeued, "REQUEUED")
    cluster.wait_for_job(lost, "NODE_FAIL")  # until it starts again, sacct says no more
    time.sleep(1)
    assert cluster.state("gpu1").startswith("down")
    cluster.resume("gpu1")
    for job in (requeued, lost):
        assert cluster.wait_for_job(job, "COMPLETED", "FAILED") == "COMPLETED"
        assert (tmp_path / f"{job}.log").read_text() == "1\n"


def test_snakemake_submits_and_retries_with_more_memory(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    done = subprocess.run(
        [
            *(*IN_A_HURRY, "--executor", "slurm", "--jobs", "4", "--retries", "1"),
            *("--default-resources", "mem_mb=400", "runtime=5", f"slurm_account={ACCOUNT}"),
            *("--latency-wait", "5"),
        ],
        cwd=tmp_path,
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copied.txt").read_text() == "GPU 0 on gpu1\n"
    assert (tmp_path / "hungry.txt").read_text() == "400 MB\n800 MB\n"


def test_job_above_its_time_is_stopped(cluster: Cluster, endless: int) -> None:
    assert cluster.wait_for_job(endless, "TIMEOUT", "COMPLETED", "FAILED") == "TIMEOUT"
