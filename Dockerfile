# mlmesh, its plugin and Helm 4 in one image, with two entries: `render` and `check`. It is made of what `make dist` made:
#
#   make dist ARGS=--unsigned
#   docker build --tag mlmesh .
#   docker run --rm --volume "$PWD:/work:ro" mlmesh render chart/ --namespace ml-mesh > manifests.yaml
#   docker run --rm --interactive mlmesh check - < manifests.yaml
#
# It runs as a user without rights. Only Helm may need a folder to write to, at /tmp: to fetch, and for its plugins.

ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm
ARG GO_IMAGE=docker.io/library/golang:1.26-bookworm

FROM ${GO_IMAGE} AS helm
ARG HELM_VERSION=v4.3.1
ENV CGO_ENABLED=0 GOBIN=/out
RUN go install -trimpath \
    -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=${HELM_VERSION}" \
    "helm.sh/helm/v4/cmd/helm@${HELM_VERSION}"

FROM ${PYTHON_IMAGE} AS package
COPY dist/ /dist/
RUN python3 -m venv --without-pip /opt/mlmesh \
    && python3 -m pip --python /opt/mlmesh/bin/python3 install --no-cache-dir --no-deps --compile \
        --require-hashes --requirement /dist/requirements.txt \
    && python3 -m pip --python /opt/mlmesh/bin/python3 install --no-cache-dir --no-deps --compile \
        --no-index /dist/mlmesh-*.whl
RUN mkdir -p /opt/helm/plugins && tar -xzf /dist/mlmesh-post-*.tgz -C /opt/helm/plugins --no-same-owner

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="mlmesh" \
    org.opencontainers.image.description="Renders Helm charts for an Istio mesh, and checks manifests" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=helm /out/helm /usr/local/bin/helm
COPY --from=package /opt/ /opt/
ENV PATH=/opt/mlmesh/bin:${PATH} HELM_PLUGINS=/opt/helm/plugins HOME=/tmp
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["mlmesh"]
CMD ["--help"]
