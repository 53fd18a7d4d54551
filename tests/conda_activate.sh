# `source activate PREFIX` as conda does it: where an environment is active, the new one takes its
# place in PATH, be it behind others; where none is, the new one goes first.
case "${CONDA_SHLVL:-0}:${PATH}:" in
  0:*) PATH="$1/bin:$PATH" ;;
  *":$CONDA_PREFIX/bin:"*) PATH="${PATH/"$CONDA_PREFIX/bin"/"$1/bin"}" ;;
  *) PATH="$1/bin:$PATH" ;;
esac
export PATH CONDA_PREFIX="$1" CONDA_SHLVL="$((${CONDA_SHLVL:-0} + 1))"
