import starlight from '@astrojs/starlight'
import { defineConfig, passthroughImageService } from 'astro/config'
import starlightOpenAPI, { openAPISidebarGroups } from 'starlight-openapi'

// No image is worked on and no search index is made, so nothing is needed that is compiled for a machine.
export default defineConfig({
  cacheDir: './.cache',
  vite: { cacheDir: './.cache/vite' },
  image: { service: passthroughImageService() },
  integrations: [
    starlight({
      title: 'Deal platform',
      pagefind: false,
      plugins: [starlightOpenAPI([{ base: 'api', schema: './openapi.json' }])],
      sidebar: openAPISidebarGroups,
    }),
  ],
})
