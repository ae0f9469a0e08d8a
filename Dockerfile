# One image for every component: the bundle, and nothing that is needed to build it.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Without install scripts: the base image has Node 24 already. Of the development dependencies only the bundler is needed.
RUN npm ci --ignore-scripts --omit=dev \
 && esbuild=$(node -p 'require("./package.json").devDependencies.esbuild') \
 && npm pkg delete devDependencies \
 && npm install --ignore-scripts --no-save "esbuild@$esbuild"
COPY scripts scripts
COPY tsconfig.json LICENSE ./
COPY src src
# validators are compiled from the schemas
COPY certs/plan.schema.json certs/
RUN node scripts/build.js

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE ./
COPY bin bin
COPY certs certs
COPY scenarios scenarios
COPY --from=build /build/dist dist
# the schema of the API's types, read when somebody asks for OpenAPI
COPY src/components/kube-apiserver/schema/types.json.gz src/components/kube-apiserver/schema/
USER node
ENTRYPOINT ["node", "/app/bin/trustplane.js"]
CMD ["--help"]
