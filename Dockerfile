# A server on a CPU, with the bundled model:
#   docker build -t vl2 .
#   docker run -p 127.0.0.1:8000:8000 -e VL2_API_KEY=... vl2
FROM python:3.11-slim-bookworm

# Where torch without CUDA comes from; a mirror can be named with --build-arg.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# The compiler stays: on a processor of another kind the kernels are compiled again at the first start, about 10 s.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 vl2

WORKDIR /src
# torch first: it is most of the download and changes seldom
COPY constraints.txt ./
RUN python -m venv /opt/vl2 \
    && /opt/vl2/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml README.md LICENSE ./
COPY vl2 vl2
RUN /opt/vl2/bin/pip install --no-cache-dir -c constraints.txt '.[serve]'

ENV PATH=/opt/vl2/bin:$PATH PYTHONUNBUFFERED=1
USER vl2
WORKDIR /home/vl2
RUN python -c "from vl2.kernels.native.compiler import compiled_library; print(compiled_library())"

EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
# Without VL2_API_KEY it refuses to listen to other machines.
ENTRYPOINT ["vl2", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["pocket"]
