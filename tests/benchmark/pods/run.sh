#!/usr/bin/env bash
# Turns a corpus into figures of pods: documents a second in a pod and in the same program outside with the same processor
# quota, and the memory of each program against its limit.
#
#   bash tests/benchmark/pods/run.sh CORPUS.jsonl.gz [DOCUMENTS [PROCESSORS [RUNS]]]      200 documents, 1 processor, 3 runs
#
# Needs root, STRATA_TEST_CLUSTER (tests/cluster/README.md), STRATA_MODEL and ORT_DYLIB_PATH (deploy/setup.sh), a MinIO
# (deploy/find-minio.sh), and the programs in $CARGO_TARGET_DIR/release. Every so-many-th document of the corpus is taken, one
# shard of all. The figures are printed; everything else lies in a folder that goes in the end.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
corpus=${1:?a corpus in JSON lines, gzip}
documents=${2:-200} processors=${3:-1} runs=${4:-3}
programs=$CARGO_TARGET_DIR/release
minio=$(bash "$repository/deploy/find-minio.sh")
folder=$(mktemp -d)
quota=$folder/quota
address=$("$STRATA_TEST_CLUSTER" address 2>/dev/null | grep -E '^[0-9.]+$' || echo 10.99.0.1)
export AWS_ENDPOINT_URL=http://$address:9000 AWS_ACCESS_KEY_ID=benchmark AWS_REGION=us-east-1
AWS_SECRET_ACCESS_KEY=$(head -c 18 /dev/urandom | base64 | tr -d '+/=')
export AWS_SECRET_ACCESS_KEY

inside() {
    "$STRATA_TEST_CLUSTER" exec "$@"
}

kube() {
    inside kubectl --namespace "$namespace" "$@"
}

clean() {
    [[ -z ${sampler:-} ]] || kill "$sampler" 2>/dev/null || true
    [[ -z ${server:-} ]] || kill -- "-$server" 2>/dev/null || true
    # One that was up before is somebody else's.
    [[ -z ${is_up:-} ]] || "$STRATA_TEST_CLUSTER" down
    [[ ! -e $quota ]] || rmdir "$(cat "$quota")" 2>/dev/null || true
    rm -rf "$folder"
}

# A control group with the quota that the pod's limit is, of either version.
make_quota() {
    local group
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
        group=/sys/fs/cgroup/strata-benchmark
        mkdir -p "$group"
        echo "$((processors * 100000)) 100000" >"$group/cpu.max"
    else
        group=/sys/fs/cgroup/cpu/strata-benchmark
        mkdir -p "$group"
        echo 100000 >"$group/cpu.cfs_period_us"
        echo $((processors * 100000)) >"$group/cpu.cfs_quota_us"
    fi
    echo "$group" >"$quota"
}

start_server() {
    mkdir -p "$folder/data/strata-benchmark"
    # A group of its own, so that the server ends with what has started it.
    MINIO_ROOT_USER=$AWS_ACCESS_KEY_ID MINIO_ROOT_PASSWORD=$AWS_SECRET_ACCESS_KEY MINIO_BROWSER=off MINIO_UPDATE=off \
        setsid "$STRATA_TEST_CLUSTER" exec "$minio" server --quiet --address "$address:9000" "$folder/data" >"$folder/minio.log" 2>&1 &
    server=$!
    for _ in {1..100}; do
        ! inside curl -sf "$AWS_ENDPOINT_URL/minio/health/ready" || return 0
        sleep 0.2
    done
    cat "$folder/minio.log" >&2
    exit 1
}

fill() {
    mkdir -p "$folder/inputs" "$folder/models"
    local step
    step=$(($(zcat "$corpus" | wc -l) / documents))
    zcat "$corpus" | awk -v step="$step" -v most="$documents" 'NR % step == 0 && taken++ < most' >"$folder/inputs/corpus.jsonl"
    cp -rL "$STRATA_MODEL" "$folder/models/"
    inside "$programs/store-objects" copy "$folder/inputs" s3://strata-benchmark/inputs
    inside "$programs/store-objects" copy "$folder/models" s3://strata-benchmark/models
}

# The highest resident memory of each program in a pod, as the kernel counts it, until it is ended.
sample() {
    local process name
    while sleep 0.1; do
        for process in $(grep -ls kubepods /proc/[0-9]*/cgroup 2>/dev/null); do
            process=${process%/cgroup}
            # It may have ended meanwhile.
            name=$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) || continue
            [[ $name == /usr/local/bin/* ]] || continue
            echo "${name%% *} $(awk '/^VmHWM/ { print $2 }' "$process/status" 2>/dev/null)" >>"$folder/memory"
        done
    done
}

overlay() {
    cp -R "$repository/k8s" "$folder/k8s"
    mkdir -p "$folder/k8s/overlays/benchmark"
    cat >"$folder/k8s/overlays/benchmark/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../base]
components: [../../components/once]
images: [{name: strata, newTag: benchmark}]
configMapGenerator:
  - name: strata-settings
    behavior: merge
    literals:
      - AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL
      - STRATA_INPUTS=s3://strata-benchmark/inputs/corpus.jsonl
      - STRATA_MODEL=s3://strata-benchmark/models/$(basename "$STRATA_MODEL")
      - STRATA_STORE=s3://strata-benchmark/NAMESPACE
patches:
  # Requests of a small node; the limits are those of k8s/base, but for the map's processors.
  - target: {kind: Job, name: ^strata$}
    patch: '[{"op": "replace", "path": "/spec/template/spec/containers/0/resources/requests", "value": {"cpu": "50m", "memory": "64Mi"}}]'
  - target: {kind: CronJob, name: ^strata-(map|reduce)$}
    patch: '[{"op": "replace", "path": "/spec/jobTemplate/spec/template/spec/containers/0/resources/requests", "value": {"cpu": "50m", "memory": "64Mi"}}]'
  - target: {kind: CronJob, name: ^strata-map$}
    patch: '[{"op": "replace", "path": "/spec/jobTemplate/spec/template/spec/containers/0/resources/limits/cpu", "value": "$processors"}]'
YAML
}

# rate LOG: documents a second between the first look at the model and the last shard written.
rate() {
    python3 - "$1" "$documents" <<'PYTHON'
import datetime, json, sys
log, documents = sys.argv[1:]
lines = [json.loads(line) for line in open(log) if line.startswith("{")]
at = lambda text: [datetime.datetime.fromisoformat(line["timestamp"].replace("Z", "+00:00")) for line in lines if line["message"].startswith(text)]
seconds = (at("wrote vectors")[-1] - at("loaded ONNX Runtime")[0]).total_seconds()
print(f"{int(documents) / seconds:.1f} documents a second ({seconds:.1f} s)")
PYTHON
}

in_pod() {
    local begun
    namespace=benchmark-$1
    inside kubectl create namespace "$namespace" >/dev/null
    kube create secret generic strata-credentials --from-literal=AWS_ACCESS_KEY_ID="$AWS_ACCESS_KEY_ID" \
        --from-literal=AWS_SECRET_ACCESS_KEY="$AWS_SECRET_ACCESS_KEY" >/dev/null
    sed -i "s#strata-benchmark/[A-Za-z0-9-]*\$#strata-benchmark/$namespace#" "$folder/k8s/overlays/benchmark/kustomization.yaml"
    begun=$SECONDS
    kube apply -k "$folder/k8s/overlays/benchmark" >/dev/null
    kube wait --for condition=Complete job/strata --timeout 5m >/dev/null
    kube logs --selector app.kubernetes.io/component=map --tail -1 >"$folder/pod-$1.log"
    echo "pod $1: $(rate "$folder/pod-$1.log"), complete $((SECONDS - begun)) s after kubectl apply, $SECONDS s after this began"
}

# The same by `strata submit`, beside the templates that kubectl has applied.
submitted() {
    local begun=$SECONDS
    inside "$programs/strata" submit s3://strata-benchmark/inputs/corpus.jsonl --store s3://strata-benchmark/submitted \
        --model "s3://strata-benchmark/models/$(basename "$STRATA_MODEL")" --image strata:benchmark \
        --namespace "$namespace" >"$folder/submit.out" 2>"$folder/submit.log"
    grep -v fetch "$folder/submit.log" | tail -n 12
    head -n 3 "$folder/submit.out"
    echo "submitted: complete $((SECONDS - begun)) s after strata submit"
}

outside() {
    local store=s3://strata-benchmark/outside-$1
    inside "$programs/strata" shard "$folder/inputs/corpus.jsonl" --store "$store" >/dev/null 2>&1
    bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' - "$(cat "$quota")" "$STRATA_TEST_CLUSTER" exec \
        "$programs/map-worker" --store "$store" --model "$folder/models/$(basename "$STRATA_MODEL")" --task-index 0 \
        --task-count 1 --onnxruntime "$ORT_DYLIB_PATH" --log-format json 2>"$folder/outside-$1.log"
    echo "outside $1: $(rate "$folder/outside-$1.log")"
}

trap clean EXIT
make_quota
"$STRATA_TEST_CLUSTER" up >/dev/null
is_up=1
python3 "$repository/deploy/image.py" --out "$folder/image.tar" --name strata:benchmark --programs "$programs" \
    --onnxruntime "$ORT_DYLIB_PATH"
"$STRATA_TEST_CLUSTER" load "$folder/image.tar"
start_server
fill
overlay
sample &
sampler=$!
for ((run = 1; run <= runs; run++)); do
    outside "$run"
    in_pod "$run"
done
submitted
echo "highest resident memory of the programs in pods:"
sort -k1,1 -k2,2nr "$folder/memory" | awk '!seen[$1]++ { printf "%s %.0f MiB\n", $1, $2 / 1024 }'
