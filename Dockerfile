# CPU (about 2 GB):   docker build -t vit-adapter .
# CUDA (about 8 GB):  docker build -t vit-adapter:cuda --build-arg TORCH_INDEX= .
# Use:                docker run --rm -v "$PWD:/work" vit-adapter predict model photos --out predictions
FROM python:3.12-slim

# Where torch and torchvision are taken from; empty: the default index, whose wheels bring CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

WORKDIR /opt/vit-adapter
# The newest versions that pyproject.toml allows are wanted, those of the day on which the image is built.
# hadolint ignore=DL3013
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir torch torchvision --index-url "$TORCH_INDEX"; \
    fi
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ".[train,onnx]"

# Results belong to the caller (docker run --user "$(id -u)"); caches then need a place that anyone may write.
ENV HF_HOME=/tmp/huggingface \
    MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --create-home --uid 1000 user
USER 1000
WORKDIR /work
ENTRYPOINT ["vit-adapter"]
CMD ["--help"]
