"""A real SLURM cluster on this machine, below one folder: ``cluster.py up|down|status FOLDER``.

It needs root and the programs of ``apt-get install --no-install-recommends slurm-wlm slurmdbd munge
mariadb-server``; all files are below the folder, and /etc is neither read nor changed. Two slurmd
stand for two nodes: ``cpu1`` in the default partition ``cpu``, and ``gpu1`` with two GPUs, which
are /dev/null and /dev/zero, in the partition ``gpu``. What uses more memory than it asked for is
killed.
"""

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = (
    *("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "mariadb-install-db"),
    *("sinfo", "sbatch", "srun", "scontrol", "scancel", "squeue", "sacct", "sacctmgr"),
)
PACKAGES = "slurm-wlm slurmdbd munge mariadb-server"
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # where the daemons are; not on everybody's PATH
LOOPBACK = "127.0.0.1"
NAME = "gapmatch"
ACCOUNT = "research"
NODES = ("cpu1", "gpu1")
CPUS = 16
MEMORY = 64000  # MB of each node
PATIENCE = 60  # seconds for a daemon to come up or go down
LONGEST = 70  # characters of the folder's path: a socket's may have 107
FOLDERS = ("bin", "etc", "run", "spool", "state", "database")

# The two nodes promise more processors and memory than the machine has: jobs of tests are small,
# and config_overrides makes slurmctld believe what is written here.
SLURM_CONF = """\
ClusterName={name}
SlurmctldHost={host}({loopback})
SlurmctldPort={slurmctld_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits for its old credential to expire: 120 s unless told, and 5 s at least.
AuthInfo=socket={folder}/run/munge.socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdSpoolDir={folder}/spool/%n
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
GresTypes=gpu
# Without cgroups slurmstepd itself looks every second and kills what is too large. Shared pages
# count once, as they do for cgroups; summed resident sizes would kill jobs with many processes.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={loopback}
AccountingStoragePort={slurmdbd_port}
# AuthInfo does not hold for connections to slurmdbd.
AccountingStoragePass={folder}/run/munge.socket
AccountingStorageEnforce=associations
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
JobRequeue=1
KillWait=2
MinJobAge=300
# Only a node that was silent returns by itself, not one that a test set down.
ReturnToService=1
SlurmdTimeout=60
DefMemPerCPU=1000
NodeName=DEFAULT CPUs={cpus} RealMemory={memory}
NodeName=cpu1 NodeHostname={host} NodeAddr={loopback} Port={cpu1_port}
NodeName=gpu1 NodeHostname={host} NodeAddr={loopback} Port={gpu1_port} Gres=gpu:2
PartitionName=cpu Nodes=cpu1 Default=YES DefaultTime=10 MaxTime=INFINITE
PartitionName=gpu Nodes=gpu1 DefaultTime=10 MaxTime=INFINITE
"""
# In a job Snakemake's plugin takes all SLURM_* variables from srun but a few, so also SLURM_CONF;
# srun would then look into /etc.
SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/etc/slurm.conf exec {srun} "$@"
"""
GRES_CONF = "NodeName=gpu1 Name=gpu File=/dev/null\nNodeName=gpu1 Name=gpu File=/dev/zero\n"
SLURMDBD_CONF = """\
DbdHost={host}
DbdAddr={loopback}
DbdPort={slurmdbd_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost={loopback}
StoragePort={mariadbd_port}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm
"""
USER_SQL = """\
CREATE OR REPLACE USER slurm@'{loopback}' IDENTIFIED BY '{password}';
GRANT ALL ON slurm.* TO slurm@'{loopback}';
"""


# Snakemake whose plugin looks at its jobs every two seconds. Left alone, it waits ten seconds
# longer each time it finds that no job has ended, and users can set only the first wait.
IN_A_HURRY = (
    *(sys.executable, "-c"),
    """
import sys
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(
    lambda self: 2, lambda self, seconds: None
)
sys.exit(main())
""",
)


class ClusterError(Exception):
    """The cluster did not do what it was told; the message ends with what the daemon logged."""


def missing() -> str:
    """Return why no cluster can run here, or nothing."""
    if os.geteuid() != 0:
        return "SLURM's daemons need root"
    absent = [name for name in PROGRAMS if not shutil.which(name, path=search_path())]
    if absent:
        return f"not installed: {', '.join(absent)}; apt-get install {PACKAGES}"
    return ""


def search_path() -> str:
    return f"{os.environ.get('PATH', '')}:{SBIN}"


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on, all different."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only root may read, as munged and slurmdbd insist."""
    path.touch(mode=0o600)
    path.write_bytes(content)


def tail(log: Path, lines: int = 25) -> str:
    """Return the end of a log."""
    if not log.exists():
        return f"({log} was not written)"
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([f"--- the end of {log}", *text[-lines:]])


def process_file(pid: int, name: str) -> bytes:
    """Return a file of a process in /proc; nothing if the process is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def is_alive(pid: int) -> bool:
    """Return whether a process runs: neither gone nor a zombie that nobody has waited for."""
    state = process_file(pid, "stat").rpartition(b") ")[2][:1]
    return state not in (b"", b"Z", b"X")


def parents() -> dict[int, int]:
    """Return the parent of each process of the machine."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            fields = process_file(int(path.name), "stat").rpartition(b") ")[2].split()
            if fields:
                found[int(path.name)] = int(fields[1])
    return found


@dataclass(frozen=True)
class Cluster:
    """A cluster below a folder, running or not.

    Attributes:
        folder: where all its files are; an absolute path of LONGEST characters at most, because
            sockets lie below it.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which SLURM's commands speak to this cluster and to no other."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM", "SBATCH_", "SRUN_", "SACCT_", "SQUEUE_", "SINFO_"))
        }
        return kept | {
            "PATH": f"{self.folder / 'bin'}:{search_path()}",
            "SLURM_CONF": str(self.folder / "etc" / "slurm.conf"),
        }

    def run(self, *command: object, log: str = "slurmctld") -> str:
        """Run a command of SLURM that must succeed, and return its output.

        Raises:
            ClusterError: if it fails or hangs; the message shows the end of the daemon's log.
        """
        words = [str(word) for word in command]
        try:
            done = subprocess.run(
                words,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise self.error(f"{' '.join(words)} hung for {PATIENCE} s", log) from error
        if done.returncode != 0:
            raise self.error(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}", log)
        return done.stdout

    def error(self, message: str, log: str) -> ClusterError:
        return ClusterError(f"{message}\n{tail(self.folder / 'log' / f'{log}.log')}")

    def wait(self, reached: Callable[[], bool], what: str, log: str) -> None:
        """Wait until ``reached`` says so, for PATIENCE at most."""
        end = time.monotonic() + PATIENCE
        while not reached():
            if time.monotonic() > end:
                raise self.error(f"waited {PATIENCE} s in vain for {what}", log)
            time.sleep(0.1)

    def retry(self, *command: str, log: str) -> None:
        """Run a command of SLURM until it succeeds, for PATIENCE at most."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.run(*command, log=log)
                return
            except ClusterError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.1)

    # Up

    def up(self) -> None:
        """Start everything and return when jobs can be submitted.

        Raises:
            ClusterError: if the cluster runs already, or a daemon does not come up; then nothing
                is left running.
        """
        why = missing()
        if why:
            raise ClusterError(why)
        if len(str(self.folder)) > LONGEST:
            raise ClusterError(f"{self.folder}: the path of its sockets would be too long")
        if (self.folder / "etc").exists():
            raise ClusterError(f"{self.folder} holds a cluster; take it down first")
        try:
            self.configure()
            self.start_munged()
            self.start_mariadbd()
            self.start_slurmdbd()
            self.start_slurmctld()
            self.start_slurmds()
        except BaseException:
            self.down()
            raise

    def configure(self) -> None:
        """Write all configuration."""
        for name in (*FOLDERS, "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        etc = self.folder / "etc"
        daemons = ("slurmctld", "slurmdbd", "mariadbd", *NODES)
        ports = dict(zip(daemons, free_ports(len(daemons)), strict=True))
        values = {
            "folder": self.folder,
            "name": NAME,
            "host": socket.gethostname().partition(".")[0],
            "loopback": LOOPBACK,
            "cpus": CPUS,
            "memory": MEMORY,
            "password": secrets.token_hex(16),
            "srun": shutil.which("srun", path=search_path()),
            **{f"{daemon}_port": port for daemon, port in ports.items()},
        }
        (etc / "slurm.conf").write_text(SLURM_CONF.format(**values), encoding="utf-8")
        (etc / "gres.conf").write_text(GRES_CONF, encoding="utf-8")
        write_secret(etc / "slurmdbd.conf", SLURMDBD_CONF.format(**values).encode())
        write_secret(etc / "user.sql", USER_SQL.format(**values).encode())
        write_secret(etc / "munge.key", secrets.token_bytes(128))
        (self.folder / "bin" / "srun").write_text(SRUN.format(**values), encoding="utf-8")
        (self.folder / "bin" / "srun").chmod(0o755)
        (etc / "mariadbd.port").write_text(str(ports["mariadbd"]), encoding="utf-8")

    def start_munged(self) -> None:
        run, log = self.folder / "run", self.folder / "log" / "munged.log"
        # --force: a folder of pytest's may be closed to other users, who need no access here.
        self.run(
            *("munged", "--force", "--key-file", self.folder / "etc" / "munge.key"),
            *("--socket", run / "munge.socket", "--pid-file", run / "munged.pid"),
            *("--seed-file", run / "munge.seed", "--log-file", log),
            log="munged",
        )
        self.wait((run / "munge.socket").exists, "munged", "munged")

    def start_mariadbd(self) -> None:
        run, data = self.folder / "run", self.folder / "database"
        self.run(
            *("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}"),
            *("--skip-test-db", "--auth-root-authentication-method=normal"),
            f"--tmpdir={run}",  # in /tmp two at once take each other's tables
            log="mariadbd",
        )
        port = int((self.folder / "etc" / "mariadbd.port").read_text(encoding="utf-8"))
        self.run(
            *("setsid", "--fork", "mariadbd", "--no-defaults", "--user=root", f"--datadir={data}"),
            *(
                f"--bind-address={LOOPBACK}",
                f"--port={port}",
                f"--socket={run / 'mariadbd.socket'}",
            ),
            f"--tmpdir={run}",
            *(f"--pid-file={run / 'mariadbd.pid'}", f"--init-file={self.folder / 'etc/user.sql'}"),
            *(f"--log-error={self.folder / 'log' / 'mariadbd.log'}", "--skip-name-resolve"),
            "--innodb-flush-log-at-trx-commit=0",  # nobody needs it after a crash
            log="mariadbd",
        )
        self.wait(lambda: listens(port), "mariadbd", "mariadbd")

    def start_slurmdbd(self) -> None:
        """Start the accounting and tell it of this cluster, of an account and of root."""
        self.run("slurmdbd", log="slurmdbd")
        self.retry("sacctmgr", "show", "cluster", log="slurmdbd")
        add = ("sacctmgr", "--immediate", "add")
        self.run(*add, "cluster", NAME, log="slurmdbd")
        self.run(*add, "account", ACCOUNT, f"cluster={NAME}", log="slurmdbd")
        self.run(*add, "user", "root", f"account={ACCOUNT}", f"cluster={NAME}", log="slurmdbd")
        change = ("sacctmgr", "--immediate", "modify", "user", "root", "set")
        self.run(*change, f"defaultaccount={ACCOUNT}", log="slurmdbd")

    def start_slurmctld(self) -> None:
        self.run("slurmctld", log="slurmctld")
        self.retry("sinfo", log="slurmctld")
        self.retry("sacct", log="slurmdbd")

    def start_slurmds(self) -> None:
        for node in NODES:
            self.run("slurmd", "-N", node, log=f"slurmd-{node}")
        for node in NODES:
            self.wait(lambda node=node: self.state(node) == "idle", node, f"slurmd-{node}")

    # While it runs

    def status(self) -> str:
        """Return what sinfo says."""
        return self.run("sinfo", "--long", "--Node")

    def state(self, node: str) -> str:
        """Return the state of a node, like ``idle`` or ``down*``."""
        return self.run("sinfo", "--noheader", "--nodes", node, "--format", "%T").strip()

    def submit(self, script: str, *options: object, folder: Path) -> int:
        """Submit a shell script to run in ``folder`` and return its job; it logs to ``JOB.log``."""
        place = ("--chdir", folder, "--output", folder / "%j.log")
        return int(self.run("sbatch", "--parsable", *place, *options, "--wrap", script))

    def job_state(self, job: int) -> str:
        """Return what sacct says of a job, like ``COMPLETED``; nothing if it knows no such job."""
        said = self.run("sacct", "-X", "--noheader", "--parsable2", "--format=State", "-j", job)
        return said.strip().partition(" ")[0]  # "CANCELLED by 0"

    def wait_for_job(self, job: int, *states: str) -> str:
        """Wait until a job is in one of the states and return which."""
        self.wait(lambda: self.job_state(job) in states, f"job {job}: {states}", "slurmctld")
        return self.job_state(job)

    def set_down(self, node: str) -> None:
        """Declare a node down, as if its machine had died: its jobs are requeued."""
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def resume(self, node: str) -> None:
        """Return a node to service and wait until it is idle."""
        self.run("scontrol", "update", f"nodename={node}", "state=resume")
        self.wait(lambda: self.state(node) in ("idle", "mixed", "allocated"), node, "slurmctld")

    def restart_slurmctld(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """Stop slurmctld with a signal and start it again.

        SIGKILL stands for a crash: slurmctld then forgets the news of its last seconds, as it saves
        its state every 5 s or so. It knows no job submitted since and repeats one that ended since.
        """
        self.stop("slurmctld", sign)
        self.start_slurmctld()

    # Down

    def down(self) -> None:
        """Stop everything, also what a crash has left, and delete all files but the logs."""
        if self.daemon("slurmctld") is not None:
            with suppress(ClusterError):
                self.run("scancel", "--user=root")
        for node in NODES:
            self.stop(f"slurmd-{node}")
        self.kill_jobs()
        # slurmctld sends its last news to slurmdbd, and that writes it into the database.
        for name in ("slurmctld", "slurmdbd", "mariadbd", "munged"):
            self.stop(name)
        for name in FOLDERS:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def daemon(self, name: str) -> int | None:
        """Return the process of a daemon; None if it does not run."""
        try:
            pid = int((self.folder / "run" / f"{name}.pid").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        # A file that a crash has left may name a process of somebody else by now.
        ours = process_file(pid, "comm").decode().strip() == name.partition("-")[0]
        return pid if ours and is_alive(pid) else None

    def stop(self, name: str, sign: signal.Signals = signal.SIGTERM) -> None:
        """Stop a daemon and wait for its end; kill it if it does not end."""
        pid = self.daemon(name)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, sign)
        try:
            self.wait(lambda: not is_alive(pid), f"the end of {name}", name)
        except ClusterError:
            os.kill(pid, signal.SIGKILL)

    def kill_jobs(self) -> None:
        """Kill the jobs' managers, which outlive slurmd, and what they have started."""
        for pid in list(self.job_processes()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def job_processes(self) -> Iterator[int]:
        """Yield each slurmstepd and each job's process of this cluster, and all below them.

        What outlives its slurmstepd, as Snakemake can after the loss of a node, is known by its
        environment. A shell that exported SLURM_CONF to use this cluster is not in a job.
        """
        conf = f"SLURM_CONF={self.folder / 'etc' / 'slurm.conf'}".encode()
        tree = parents()
        managers = set()
        for pid in tree:
            environment = process_file(pid, "environ").split(b"\0")
            is_manager = process_file(pid, "comm").startswith(b"slurmstepd")
            in_job = any(entry.startswith(b"SLURM_JOB_ID=") for entry in environment)
            if conf in environment and (is_manager or in_job):
                managers.add(pid)
        for pid in tree:
            above = pid
            while above and above not in managers:
                above = tree.get(above, 0)
            if above:
                yield pid


def listens(port: int) -> bool:
    """Return whether somebody accepts connections at a port of this machine."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    parser.add_argument("folder", type=lambda text: Path(text).resolve(), metavar="FOLDER")
    arguments = parser.parse_args()
    cluster = Cluster(arguments.folder)
    try:
        if arguments.action == "up":
            cluster.up()
            print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}")
        elif arguments.action == "status":
            print(cluster.status(), end="")
        else:
            cluster.down()
    except ClusterError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
